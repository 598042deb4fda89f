#include "client/remote/swarm_retrieval.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "swarm/auth/limits.h"
#include "swarm/auth/request_auth.h"
#include "swarm/proto/storage.pb.h"

namespace messenger::client {
namespace {

constexpr int kLargestPageCells = 16;
// Room for the response around the rows.
constexpr size_t kPageEnvelopeBytes = 358;
static_assert(ReplyBytes(kLargestPageCells) - kPageEnvelopeBytes ==
              swarm::kMaxPageBytes);

}  // namespace

SwarmRetrieval::SwarmRetrieval(MemberCaller& caller,
                               swarm::CurrentPlacement& placement,
                               routing::Executor& executor,
                               const routing::Clock& clock,
                               crypto::Random& random,
                               const SwarmClientOptions& options,
                               MailboxReader reader, Cursors cursors, Done done)
    : caller_(caller),
      placement_(placement),
      executor_(executor),
      clock_(clock),
      random_(random),
      options_(options),
      reader_(std::move(reader)),
      done_(std::move(done)) {
  outcome_.cursors = std::move(cursors);
}

SwarmRetrieval::~SwarmRetrieval() {
  executor_.Cancel(grace_);
  executor_.Cancel(deadline_);
}

void SwarmRetrieval::Start() {
  deadline_ = executor_.RunAfter(options_.read_deadline, [this] { Finish(); });
  executor_.Run([this, weak = std::weak_ptr<const bool>(alive_)] {
    if (!weak.expired()) Begin();
  });
}

void SwarmRetrieval::Begin() {
  const std::shared_ptr<const swarm::Placement> placement = placement_.Get();
  if (placement == nullptr) return Finish();
  members_ = placement->Members(reader_.address());
  quorum_ = static_cast<size_t>(placement->read_quorum());
  // Cursors of nodes that no longer hold the mailbox are of no use.
  std::erase_if(outcome_.cursors, [&](const auto& entry) {
    return std::find(members_.begin(), members_.end(), entry.first) ==
           members_.end();
  });
  std::vector<routing::NodeId> asked;
  for (const routing::NodeId& member : members_) {
    if (placement->consensus().Find(member)->running) asked.push_back(member);
  }
  if (asked.size() < quorum_) asked = members_;
  if (asked.empty()) return Finish();
  for (const routing::NodeId& member : asked) listings_[member];
  for (const routing::NodeId& member : asked) AskForPage(member);
}

void SwarmRetrieval::AskForPage(const routing::NodeId& member) {
  const int cells = listings_[member].large_pages ? kLargestPageCells
                                                  : options_.first_page_cells;
  const Cursor cursor = outcome_.cursors[member];
  const swarm::RetrieveTerms terms{
      .node = member,
      .mailbox = reader_.address(),
      .ns = reader_.ns(),
      .cursor = cursor.seq,
      .incarnation = cursor.incarnation,
      .limit = swarm::kMaxPageRows,
      .timestamp_ms = static_cast<uint64_t>(absl::ToUnixMillis(clock_.Now())),
      .nonce = random_.Fixed<swarm::RequestNonce>()};
  swarm::v1::ClientRequest request;
  swarm::v1::RetrieveRequest& retrieve = *request.mutable_retrieve();
  retrieve.set_mailbox(std::string(terms.mailbox.bytes()));
  retrieve.set_ns(static_cast<uint32_t>(terms.ns));
  retrieve.set_cursor(terms.cursor);
  retrieve.set_incarnation(terms.incarnation);
  retrieve.set_limit(terms.limit);
  retrieve.set_timestamp_ms(terms.timestamp_ms);
  retrieve.set_nonce(std::string(terms.nonce.bytes()));
  retrieve.set_reader_key(std::string(reader_.read_key().public_key().bytes()));
  if (reader_.write_key().has_value()) {
    retrieve.set_write_key(std::string(reader_.write_key()->bytes()));
  }
  retrieve.set_signature(
      std::string(swarm::SignRetrieve(reader_.read_key(), terms).bytes()));
  retrieve.set_page_bytes(
      static_cast<uint32_t>(ReplyBytes(cells) - kPageEnvelopeBytes));
  caller_.Call(member, members_, request.SerializeAsString(), cells,
               options_.request_timeout,
               [this, member,
                weak = std::weak_ptr<const bool>(alive_)](MemberAnswer answer) {
                 if (!weak.expired()) OnAnswer(member, std::move(answer));
               });
}

bool SwarmRetrieval::TakePage(const routing::NodeId& member, Listing& listing,
                              const MemberAnswer& answer) {
  if (answer.response == nullptr || !answer.response->has_retrieve()) {
    return false;
  }
  const swarm::v1::RetrieveResponse& page = answer.response->retrieve();
  Cursor& cursor = outcome_.cursors[member];
  const uint64_t from =
      cursor.incarnation == page.incarnation() ? cursor.seq : 0;
  // Every list ends: a page that promises more must have led on.
  const bool led_on = page.next_cursor() > from;
  const bool largest =
      listing.large_pages || options_.first_page_cells == kLargestPageCells;
  if (page.next_cursor() < from ||
      page.next_cursor() >
          static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ||
      (page.more() && largest && !led_on)) {
    return false;
  }
  for (const swarm::v1::StoredMessage& message : page.messages()) {
    if (message.payload().empty() ||
        message.payload().size() > swarm::kMaxPayloadBytes) {
      continue;
    }
    const swarm::MessageId id = swarm::ComputeMessageId(
        reader_.address(), reader_.ns(), message.payload());
    const auto [it, fresh] = messages_.try_emplace(id);
    if (!fresh) continue;
    bytes_ += message.payload().size();
    const uint64_t expiry_ms = std::min<uint64_t>(
        message.expiry_ms(), std::numeric_limits<int64_t>::max() / 2'000'000);
    it->second = {
        .id = id,
        .payload = message.payload(),
        .expiry = absl::FromUnixMillis(static_cast<int64_t>(expiry_ms))};
  }
  cursor = {.incarnation = page.incarnation(), .seq = page.next_cursor()};
  return true;
}

void SwarmRetrieval::OnAnswer(const routing::NodeId& member,
                              MemberAnswer answer) {
  if (finished_) return;
  if (!answer.route.hops.empty()) {
    outcome_.routes.push_back(std::move(answer.route));
  }
  Listing& listing = listings_[member];
  if (!answer.status.ok() || !TakePage(member, listing, answer)) {
    if (++listing.failures < options_.read_attempts) {
      return AskForPage(member);
    }
    listing.state = Listing::kFailed;
    return FinishIfDone();
  }
  ++listing.pages;
  listing.large_pages = true;
  if (answer.response->retrieve().more()) {
    if (listing.pages < options_.max_pages && bytes_ < options_.max_bytes) {
      return AskForPage(member);
    }
    outcome_.more = true;
  }
  listing.state = Listing::kAnswered;
  ++outcome_.members_answered;
  FinishIfDone();
}

void SwarmRetrieval::FinishIfDone() {
  const bool reading =
      std::any_of(listings_.begin(), listings_.end(), [](const auto& entry) {
        return entry.second.state == Listing::kReading;
      });
  if (!reading) return Finish();
  if (grace_ == 0 &&
      static_cast<size_t>(outcome_.members_answered) >= quorum_) {
    grace_ = executor_.RunAfter(options_.read_grace, [this] { Finish(); });
  }
}

void SwarmRetrieval::Finish() {
  if (finished_) return;
  finished_ = true;
  executor_.Cancel(grace_);
  executor_.Cancel(deadline_);
  // `done` may destroy this.
  Done done = std::move(done_);
  if (outcome_.members_answered == 0) {
    return done(
        absl::UnavailableError("no member of the swarm could be reached"));
  }
  outcome_.complete = !outcome_.more &&
                      static_cast<size_t>(outcome_.members_answered) >= quorum_;
  for (auto& [id, message] : messages_) {
    outcome_.messages.push_back(std::move(message));
  }
  RetrieveOutcome outcome = std::move(outcome_);
  done(std::move(outcome));
}

}  // namespace messenger::client
