// `RETURN_IF_ERROR` and `ASSIGN_OR_RETURN`, which keep the happy path of
// fallible code straight.

#ifndef CRYPTO_BASE_STATUS_MACROS_H_
#define CRYPTO_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define MESSENGER_CONCAT_INNER_(a, b) a##b
#define MESSENGER_CONCAT_(a, b) MESSENGER_CONCAT_INNER_(a, b)

// Returns from the function with the status of `expr` unless it is OK.
//   RETURN_IF_ERROR(CheckPayload(payload));
#define RETURN_IF_ERROR(...)                           \
  do {                                                 \
    ::absl::Status messenger_status_ = (__VA_ARGS__);  \
    if (ABSL_PREDICT_FALSE(!messenger_status_.ok())) { \
      return messenger_status_;                        \
    }                                                  \
  } while (false)

// Evaluates a `StatusOr`; returns its status, or moves its value into `lhs`,
// which may declare a variable. Not for use as the body of an `if`.
//   ASSIGN_OR_RETURN(const AccountId account, AccountId::FromBytes(bytes));
#define ASSIGN_OR_RETURN(lhs, ...) \
  MESSENGER_ASSIGN_OR_RETURN_(     \
      MESSENGER_CONCAT_(messenger_status_or_, __LINE__), lhs, (__VA_ARGS__))

#define MESSENGER_ASSIGN_OR_RETURN_(status_or, lhs, expr) \
  auto status_or = expr;                                  \
  if (ABSL_PREDICT_FALSE(!status_or.ok())) {              \
    return std::move(status_or).status();                 \
  }                                                       \
  lhs = *std::move(status_or)

#endif  // CRYPTO_BASE_STATUS_MACROS_H_
