#include "tools/chaos/mail_client.h"

#include <memory>

#include "routing/directory/consensus.h"
#include "routing/endpoint/endpoint_handler.h"
#include "swarm/auth/receipt.h"
#include "swarm/proto/storage.pb.h"
#include "swarm/proto/storage_codec.h"

namespace messenger::chaos {
namespace {

using ::messenger::client::RequestRoute;
using ::messenger::routing::NodeId;
using ::messenger::swarm::MailboxAddress;
using ::messenger::swarm::MailboxNamespace;
using ::messenger::swarm::MessageId;

}  // namespace

void Witness::Send(Request request, Done done) {
  swarm::v1::ClientRequest parsed;
  if (request.service != routing::kSwarmStorageService ||
      !parsed.ParseFromString(request.bytes)) {
    return requester_.Send(std::move(request), std::move(done));
  }
  if (parsed.has_store()) return SendStore(std::move(request), std::move(done));
  if (parsed.has_retrieve() && events_.on_listing) {
    return SendRetrieve(std::move(request), std::move(done));
  }
  requester_.Send(std::move(request), std::move(done));
}

void Witness::SendStore(Request request, Done done) {
  swarm::v1::ClientRequest parsed;
  parsed.ParseFromString(request.bytes);
  const auto mailbox = MailboxAddress::FromBytes(parsed.store().mailbox());
  if (!mailbox.ok()) {
    return requester_.Send(std::move(request), std::move(done));
  }
  const swarm::ReceiptSubject subject = {
      .id = swarm::ComputeMessageId(
          *mailbox, static_cast<MailboxNamespace>(parsed.store().ns()),
          parsed.store().payload()),
      .mailbox = *mailbox,
      .expiry_ms = parsed.store().expiry_ms()};
  requester_.Send(std::move(request), [this, subject, done = std::move(done)](
                                          absl::StatusOr<std::string> reply,
                                          const RequestRoute& route) mutable {
    swarm::v1::ClientResponse response;
    const auto consensus = directory_.current();
    if (reply.ok() && consensus != nullptr &&
        response.ParseFromString(*reply)) {
      for (const auto& proto : response.receipts().receipts()) {
        const auto receipt = swarm::ReceiptFromProto(proto);
        if (!receipt.ok()) continue;
        const routing::NodeRecord* node = consensus->Find(receipt->node);
        if (node != nullptr &&
            swarm::VerifyReceipt(node->storage_key, subject, *receipt).ok()) {
          events_.on_receipt(subject.id, receipt->node);
        }
      }
    }
    done(std::move(reply), route);
  });
}

void Witness::SendRetrieve(Request request, Done done) {
  swarm::v1::ClientRequest parsed;
  parsed.ParseFromString(request.bytes);
  const NodeId member = request.destination;
  requester_.Send(
      std::move(request),
      [this, member, retrieve = parsed.retrieve(), done = std::move(done)](
          absl::StatusOr<std::string> reply,
          const RequestRoute& route) mutable {
        swarm::v1::ClientResponse response;
        const auto mailbox = MailboxAddress::FromBytes(retrieve.mailbox());
        if (reply.ok() && response.ParseFromString(*reply) &&
            response.has_retrieve() && mailbox.ok()) {
          const auto key = std::make_pair(retrieve.mailbox(), member);
          std::vector<MessageId>& ids = listings_[key];
          if (retrieve.cursor() == 0) ids.clear();
          for (const auto& message : response.retrieve().messages()) {
            ids.push_back(swarm::ComputeMessageId(
                *mailbox, static_cast<MailboxNamespace>(retrieve.ns()),
                message.payload()));
          }
          if (!response.retrieve().more()) {
            events_.on_listing(key.first, member, ids);
            listings_.erase(key);
          }
        }
        done(std::move(reply), route);
      });
}

MailClient::MailClient(const routing::NetworkConfig& config,
                       routing::RoutingMode mode, const routing::Clock& clock,
                       routing::Executor& executor, crypto::Random& random,
                       const Witness::Events& events,
                       client::SwarmClientOptions options)
    : transport_({.executor = executor}),
      directory_(transport_, executor, clock,
                 routing::DirectoryTrust::For(config), config.seeds, random),
      paths_(random, routing::GuardState()),
      onion_(transport_, executor, clock, random, directory_.holder(), paths_,
             mode),
      requester_(onion_),
      witness_(requester_, directory_.holder(), events),
      swarm_(witness_, directory_.holder(), clock, executor, random, options) {}

}  // namespace messenger::chaos
