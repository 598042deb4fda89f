#include "crypto/kdf/hkdf.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "crypto/kdf/raw_hkdf.h"
#include "crypto/testdata/vector_file.h"
#include "gtest/gtest.h"

namespace messenger::crypto {
namespace {

constexpr KdfLabel kFirstLabel = KdfLabel::kCaead;
constexpr KdfLabel kLastLabel = KdfLabel::kHandshake;

std::vector<KdfLabel> AllLabels() {
  std::vector<KdfLabel> labels;
  for (int i = static_cast<int>(kFirstLabel); i <= static_cast<int>(kLastLabel);
       ++i) {
    labels.push_back(static_cast<KdfLabel>(i));
  }
  return labels;
}

KdfLabel LabelNamed(absl::string_view name) {
  for (const KdfLabel label : AllLabels()) {
    if (KdfLabelName(label) == name) return label;
  }
  ADD_FAILURE() << "no label " << name;
  return kFirstLabel;
}

std::string Expand512(absl::string_view prk, KdfLabel label,
                      absl::string_view context, size_t size) {
  std::string out(size, '\0');
  HkdfSha512Expand(prk, label, context, absl::MakeSpan(out.data(), size));
  return out;
}

std::string Expand256(absl::string_view prk, KdfLabel label,
                      absl::string_view context, size_t size) {
  std::string out(size, '\0');
  HkdfSha256Expand(prk, label, context, absl::MakeSpan(out.data(), size));
  return out;
}

TEST(HkdfTest, Sha256MatchesRfc5869) {
  for (const TestVector& vector :
       LoadVectors("crypto/testdata/hkdf.txt", "sha256")) {
    SCOPED_TRACE(vector.name());
    const Prk256 prk =
        HkdfSha256Extract(vector.Bytes("salt"), {vector.Bytes("ikm")});
    EXPECT_EQ(prk.Expose(), vector.Bytes("prk"));
    std::string okm(vector.Bytes("okm").size(), '\0');
    internal::RawHkdfSha256Expand(prk.Expose(), vector.Bytes("info"),
                                  absl::MakeSpan(okm.data(), okm.size()));
    EXPECT_EQ(okm, vector.Bytes("okm"));
  }
}

TEST(HkdfTest, Sha512MatchesItsVector) {
  const TestVector vector = LoadVector("crypto/testdata/hkdf.txt", "sha512");
  const Prk512 prk =
      HkdfSha512Extract(vector.Bytes("salt"), {vector.Bytes("ikm")});
  EXPECT_EQ(prk.Expose(), vector.Bytes("prk"));
  std::string okm(vector.Bytes("okm").size(), '\0');
  internal::RawHkdfSha512Expand(prk.Expose(), vector.Bytes("info"),
                                absl::MakeSpan(okm.data(), okm.size()));
  EXPECT_EQ(okm, vector.Bytes("okm"));
}

TEST(HkdfTest, LabelsMatchTheSecondImplementation) {
  for (const TestVector& vector :
       LoadVectors("crypto/testdata/constructions.txt", "kdf ")) {
    const KdfLabel label = LabelNamed(vector.Bytes("label"));
    const std::string& okm = vector.Bytes("okm");
    const bool is_256 = vector.name().find("sha256") != std::string::npos;
    EXPECT_EQ(
        (is_256 ? Expand256 : Expand512)(vector.Bytes("prk"), label,
                                         vector.Bytes("context"), okm.size()),
        okm)
        << vector.name();
  }
}

TEST(HkdfTest, EveryLabelHasItsOwnName) {
  std::set<absl::string_view> names;
  for (const KdfLabel label : AllLabels()) {
    const absl::string_view name = KdfLabelName(label);
    EXPECT_FALSE(name.empty());
    // The zero byte ends the label, so none may contain one.
    EXPECT_EQ(name.find('\0'), absl::string_view::npos);
    EXPECT_TRUE(names.insert(name).second) << name;
  }
}

TEST(HkdfTest, LabelAndContextSeparate) {
  const std::string prk(32, 'k');
  const std::string base = Expand512(prk, KdfLabel::kRoot, "context", 32);
  EXPECT_EQ(base, Expand512(prk, KdfLabel::kRoot, "context", 32));
  EXPECT_NE(base, Expand512(prk, KdfLabel::kChain, "context", 32));
  EXPECT_NE(base, Expand512(prk, KdfLabel::kRoot, "contexT", 32));
  EXPECT_NE(base, Expand512(prk, KdfLabel::kRoot, "", 32));
  EXPECT_NE(base,
            Expand512(std::string(32, 'K'), KdfLabel::kRoot, "context", 32));
  EXPECT_NE(base, Expand256(prk, KdfLabel::kRoot, "context", 32));
}

TEST(HkdfTest, TypedExpansionIsTheSame) {
  const std::string prk(32, 'k');
  EXPECT_EQ(HkdfSha512Expand<96>(prk, KdfLabel::kRoot, "c").Expose(),
            Expand512(prk, KdfLabel::kRoot, "c", 96));
  EXPECT_EQ(HkdfSha256Expand<96>(prk, KdfLabel::kOnion, "c").Expose(),
            Expand256(prk, KdfLabel::kOnion, "c", 96));
}

TEST(HkdfTest, IkmPartsAreConcatenated) {
  EXPECT_EQ(HkdfSha512Extract("salt", {"ab", "", "cd"}).Expose(),
            HkdfSha512Extract("salt", {"abcd"}).Expose());
  EXPECT_EQ(HkdfSha256Extract("salt", {"ab", "cd"}).Expose(),
            HkdfSha256Extract("salt", {"abcd"}).Expose());
}

TEST(HkdfTest, LongestOutputWorks) {
  EXPECT_EQ(Expand256(std::string(32, 'k'), KdfLabel::kOnion, "", 255 * 32)
                .substr(0, 10),
            Expand256(std::string(32, 'k'), KdfLabel::kOnion, "", 10));
}

TEST(HkdfDeathTest, OutputBeyond255HashesCrashes) {
  EXPECT_DEATH(
      Expand256(std::string(32, 'k'), KdfLabel::kOnion, "", 255 * 32 + 1), "");
}

}  // namespace
}  // namespace messenger::crypto
