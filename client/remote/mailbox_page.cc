#include "client/remote/mailbox_page.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "client/remote/onion_requester.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/request_auth.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::client {
namespace {

// Room for the response around the rows.
constexpr size_t kPageEnvelopeBytes = 358;
static_assert(ReplyBytes(kLargestPageCells) - kPageEnvelopeBytes ==
              swarm::kMaxPageBytes);

}  // namespace

void RetrievedMessage::Merge(RetrievedMessage other) {
  listed_by.merge(other.listed_by);
  for (WriterProof& proof : other.proofs) {
    if (proofs.size() >= kMaxProofs) return;
    if (std::find(proofs.begin(), proofs.end(), proof) == proofs.end()) {
      proofs.push_back(std::move(proof));
    }
  }
}

std::string PageRequest(const MailboxReader& reader, const PageTerms& page,
                        crypto::Random& random) {
  const swarm::RetrieveTerms terms{
      .node = page.member,
      .mailbox = reader.address(),
      .ns = reader.ns(),
      .cursor = page.cursor.seq,
      .incarnation = page.cursor.incarnation,
      .limit = swarm::kMaxPageRows,
      .timestamp_ms = static_cast<uint64_t>(absl::ToUnixMillis(page.now)),
      .challenge = page.cursor.challenge,
      .nonce = random.Fixed<swarm::RequestNonce>()};
  swarm::v1::ClientRequest request;
  swarm::v1::RetrieveRequest& retrieve = *request.mutable_retrieve();
  retrieve.set_mailbox(std::string(terms.mailbox.bytes()));
  retrieve.set_ns(static_cast<uint32_t>(terms.ns));
  retrieve.set_cursor(terms.cursor);
  retrieve.set_incarnation(terms.incarnation);
  retrieve.set_limit(terms.limit);
  retrieve.set_timestamp_ms(terms.timestamp_ms);
  retrieve.set_challenge(terms.challenge);
  retrieve.set_nonce(std::string(terms.nonce.bytes()));
  retrieve.set_reader_key(std::string(reader.read_key().public_key().bytes()));
  if (reader.write_key().has_value()) {
    retrieve.set_write_key(std::string(reader.write_key()->bytes()));
  }
  retrieve.set_signature(
      std::string(swarm::SignRetrieve(reader.read_key(), terms).bytes()));
  retrieve.set_page_bytes(
      static_cast<uint32_t>(ReplyBytes(page.reply_cells) - kPageEnvelopeBytes));
  retrieve.set_wait_ms(
      static_cast<uint32_t>(absl::ToInt64Milliseconds(page.wait)));
  return request.SerializeAsString();
}

std::optional<MailboxPage> ReadPage(
    const MailboxReader& reader, const PageTerms& terms,
    const swarm::v1::RetrieveResponse& response) {
  const uint64_t from =
      terms.cursor.incarnation == response.incarnation() ? terms.cursor.seq : 0;
  const bool led_on = response.next_cursor() > from;
  if (response.next_cursor() < from ||
      response.next_cursor() >
          static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ||
      (response.more() && terms.reply_cells == kLargestPageCells && !led_on)) {
    return std::nullopt;
  }
  MailboxPage page;
  for (const swarm::v1::StoredMessage& message : response.messages()) {
    if (message.payload().empty() ||
        message.payload().size() > swarm::kMaxPayloadBytes) {
      continue;
    }
    const uint64_t expiry_ms = std::min<uint64_t>(
        message.expiry_ms(), std::numeric_limits<int64_t>::max() / 2'000'000);
    page.messages.push_back(
        {.id = swarm::ComputeMessageId(reader.address(), reader.ns(),
                                       message.payload()),
         .payload = message.payload(),
         .expiry = absl::FromUnixMillis(static_cast<int64_t>(expiry_ms)),
         .proofs = {{message.author_expiry_ms() > 0 ? message.author_expiry_ms()
                                                    : expiry_ms,
                     message.signature()}},
         .listed_by = {terms.member}});
  }
  page.cursor = {.incarnation = response.incarnation(),
                 .seq = response.next_cursor(),
                 .challenge = terms.cursor.challenge};
  page.more = response.more();
  return page;
}

}  // namespace messenger::client
