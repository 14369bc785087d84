// `secret`: makes a password or a token that no program sees. The same one in every pass of the run, so that a create
// which is sent again says the same; it must never come from anything that is written down.
#include <algorithm>

#include "base/bytes.h"
#include "steps/flow_builder.h"

namespace tieline::steps {

enum class Generate : std::uint8_t { kPassword, kToken };
const spec::Names<Generate>& describe(const Generate*) {
  static const spec::Names<Generate> names{
      {Generate::kPassword, "password", "letters of both cases, digits and signs, at least one of each"},
      {Generate::kToken, "token", "random characters of `alphabet`"}};
  return names;
}

enum class TokenAlphabet : std::uint8_t { kBase64Url, kHex };
const spec::Names<TokenAlphabet>& describe(const TokenAlphabet*) {
  static const spec::Names<TokenAlphabet> names{{TokenAlphabet::kBase64Url, "base64url"}, {TokenAlphabet::kHex, "hex"}};
  return names;
}

namespace {

// Signs that no encoding of a request changes, so that what is kept of it is surely found and redacted.
constexpr std::string_view kSigns = "-_.";
constexpr std::string_view kAlike = "0O1lI";

struct SecretOptions {
  Generate generate = Generate::kPassword;
  std::size_t length = 20;
  bool signs = true;
  bool unambiguous = true;
  TokenAlphabet alphabet = TokenAlphabet::kBase64Url;
};
const spec::Table<SecretOptions>& describe(const SecretOptions*) {
  static const auto table =
      spec::Table<SecretOptions>("secret", "What is made")
          .field("generate", &SecretOptions::generate, {.doc = "Which kind of secret", .required = true})
          .field("length", &SecretOptions::length,
                 {.doc = "How many characters", .example = "20", .min = "12", .max = "256"})
          .field("signs", &SecretOptions::signs, {.doc = "Whether a password has signs, of `-`, `_` and `.`"})
          .field("unambiguous", &SecretOptions::unambiguous,
                 {.doc = "Whether a password leaves out 0, O, 1, l and I, which people take for each other"})
          .field("alphabet", &SecretOptions::alphabet, {.doc = "What a token is made of"});
  return table;
}

// Numbers below a bound, each as likely as any other, from a supply of random bytes.
class Draw {
 public:
  explicit Draw(Bytes bytes) : bytes_(std::move(bytes)) {}
  std::size_t below(std::size_t bound) {
    const std::size_t even = 256 - 256 % bound;
    while (at_ < bytes_.size()) {
      const auto byte = static_cast<std::size_t>(static_cast<unsigned char>(bytes_[at_++]));
      if (byte < even) return byte % bound;
    }
    empty_ = true;
    return 0;
  }
  bool empty() const { return empty_; }

 private:
  Bytes bytes_;
  std::size_t at_ = 0;
  bool empty_ = false;
};

std::vector<std::string> classes_of(const SecretOptions& options) {
  if (options.generate == Generate::kToken) {
    const std::string digits = "0123456789";
    if (options.alphabet == TokenAlphabet::kHex) return {digits + "abcdef"};
    return {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" + digits + "-_"};
  }
  std::vector<std::string> classes{"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789"};
  if (options.signs) classes.emplace_back(kSigns);
  for (std::string& one : classes) {
    if (options.unambiguous) std::erase_if(one, [](char c) { return kAlike.find(c) != std::string_view::npos; });
  }
  return classes;
}

// One of each class, the rest of any, in an order of chance. Empty when the supply did not last.
std::string make_secret(const SecretOptions& options, Draw& draw) {
  const std::vector<std::string> classes = classes_of(options);
  std::string all, out;
  for (const std::string& one : classes) {
    all += one;
    out += one[draw.below(one.size())];
  }
  while (out.size() < options.length) out += all[draw.below(all.size())];
  for (std::size_t i = out.size() - 1; i > 0; --i) std::swap(out[i], out[draw.below(i + 1)]);
  return draw.empty() ? std::string() : out;
}

class SecretStep final : public Step {
 public:
  SecretStep(SecretOptions options, std::string name, std::size_t slot)
      : options_(options), bound_(std::move(name)), slot_(slot) {}

  asio::awaitable<StepResult> run(RunContext& context) const override {
    // A draw below a bound of 256 at most takes two bytes on average, and here two draws make a character.
    Result<Bytes> supply = context.derive("secret\n" + bound_, 16 * options_.length + 64);
    if (!supply) co_return StepResult::fail(std::move(supply.error()));
    Result<Bytes> mark = context.derive("handle\n" + bound_, 12);
    if (!mark) co_return StepResult::fail(std::move(mark.error()));
    Draw draw(std::move(*supply));
    std::string secret = make_secret(options_, draw);
    if (secret.empty()) co_return StepResult::fail({Code::kInternal, "no secret could be drawn", place()});
    // Nobody who writes an event's data can name a handle, and so have a secret put where it does not belong.
    std::string handle = "[secret " + bound_ + " " + to_hex(*mark) + "]";
    context.bind(slot_, context.conceal(bound_, std::move(handle), std::move(secret)));
    co_return StepResult::next();
  }

 private:
  SecretOptions options_;
  std::string bound_;
  std::size_t slot_;
};

struct SecretSpec final : StepSpec {
  SecretOptions secret;
  spec::At<std::string> as;

  std::string kind() const override { return "secret"; }
  std::vector<BoundName> names() const override {
    if (as.value.empty()) return {};
    return {BoundName{as.value, as.place}};
  }
  std::shared_ptr<Step> compile(FlowBuilder& builder) const override {
    if (as.value.empty()) return nullptr;
    const std::optional<std::size_t> slot = builder.bind({as.value, as.place});
    if (!slot) return nullptr;
    builder.keep_secret(as.value);
    return std::make_shared<SecretStep>(secret, as.value, *slot);
  }
};
const spec::Table<SecretSpec>& describe(const SecretSpec*) {
  static const auto table =
      spec::Table<SecretSpec>("secret step",
                              "Makes a secret that is never shown or kept: the name stands for it as a whole leaf of a "
                              "call's `with`, and nowhere else. It is the same whenever the run is tried again")
          .field("secret", &SecretSpec::secret,
                 {.doc = "What is made", .example = "{ generate: password, length: 20 }", .required = true})
          .field("as", &SecretSpec::as, {.doc = "The name that stands for it", .example = "password", .required = true})
          .inherit(describe(static_cast<const StepCommon*>(nullptr)));
  return table;
}

}  // namespace

StepKind secret_step() { return step_kind<SecretSpec>("secret"); }

}  // namespace tieline::steps
