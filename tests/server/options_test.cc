// The flags of nestord and its log lines.
#include "server/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "server/log.h"

namespace nestor {
namespace {

using testing::HasSubstr;

std::variant<Options, Exit> Parse(std::vector<const char*> args) {
  args.insert(args.begin(), "nestord");
  return ParseOptions(static_cast<int>(args.size()), args.data());
}

TEST(OptionsTest, DefaultsServeThisMachineOnly) {
  const auto parsed = Parse({"--data-dir", "d"});
  ASSERT_TRUE(std::holds_alternative<Options>(parsed)) << std::get<Exit>(parsed).text;
  const auto& options = std::get<Options>(parsed);
  EXPECT_EQ(options.data_dir, "d");
  EXPECT_EQ(FormatEndpoint(options.listen), "127.0.0.1:7700");
  EXPECT_GE(options.threads, 1);
}

TEST(OptionsTest, EveryFlagIsRead) {
  const auto parsed = Parse({"--data-dir=d", "--listen=[::]:0", "--insecure-listen", "--threads=3",
                             "--search-queue=9", "--grace-seconds=4", "--slow-query-ms=0",
                             "--log-format=json", "--log-level=error", "--memory-limit=3GiB",
                             "--disk-reserve=0", "--block-cache=2MiB", "--write-buffers=64MiB"});
  ASSERT_TRUE(std::holds_alternative<Options>(parsed)) << std::get<Exit>(parsed).text;
  const auto& options = std::get<Options>(parsed);
  EXPECT_EQ(FormatEndpoint(options.listen), "[::]:0");
  EXPECT_EQ(options.threads, 3);
  EXPECT_EQ(options.search_queue, 9u);
  EXPECT_EQ(options.grace_seconds, 4u);
  EXPECT_EQ(options.slow_query_ms, 0u);
  EXPECT_EQ(options.memory_limit, uint64_t{3} << 30);
  EXPECT_EQ(options.disk_reserve, uint64_t{0});
  EXPECT_EQ(options.block_cache, uint64_t{2} << 20);
  EXPECT_EQ(options.write_buffers, uint64_t{64} << 20);
  EXPECT_EQ(options.log_format, LogFormat::kJson);
  EXPECT_EQ(options.log_level, LogLevel::kError);
}

TEST(OptionsTest, VerifyNeedsTheDirectoryOnly) {
  for (const std::vector<const char*>& args :
       {std::vector<const char*>{"verify", "--data-dir=d"},
        {"--data-dir", "d", "verify"},
        {"--data-dir", "d", "--listen", "0.0.0.0:1", "verify"}}) {
    const auto parsed = Parse(args);
    ASSERT_TRUE(std::holds_alternative<Options>(parsed)) << std::get<Exit>(parsed).text;
    EXPECT_TRUE(std::get<Options>(parsed).verify);
    EXPECT_EQ(std::get<Options>(parsed).data_dir, "d");
  }
  EXPECT_FALSE(std::get<Options>(Parse({"--data-dir", "verify"})).verify);
}

TEST(OptionsTest, BadUsageExitsWith2AndSaysWhy) {
  struct Case {
    std::vector<const char*> args;
    const char* text;
  };
  const Case kCases[] = {
      {{}, "--data-dir"},
      {{"--data-dir", ""}, "--data-dir"},
      {{"--data-dir", "d", "--threads", "0"}, "--threads"},
      {{"--data-dir", "d", "--threads", "1025"}, "1024"},
      {{"--data-dir", "d", "--threads", "x"}, "x"},
      {{"--data-dir", "d", "--log-format", "xml"}, "xml"},
      {{"--data-dir", "d", "--memory-limit", "-1"}, "--memory-limit"},
      {{"--data-dir", "d", "--memory-limit", "3 apples"}, "--memory-limit"},
      {{"--data-dir", "d", "--nope"}, "--nope"},
      {{"--data-dir", "d", "extra"}, "extra"},
      {{"--data-dir", "d", "verify", "extra"}, "extra"},
      {{"verify"}, "--data-dir"},
      {{"--data-dir", "d", "--config", "/no/such/file"}, "/no/such/file"},
      {{"--data-dir", "d", "--listen", "localhost"}, "the port is missing"},
      {{"--data-dir", "d", "--listen", "localhost:65536"}, "\"65536\" is not in 0..65535"},
      {{"--data-dir", "d", "--listen", "localhost:"}, "\"\" is not in 0..65535"},
      {{"--data-dir", "d", "--listen", "localhost:+1"}, "\"+1\" is not in 0..65535"},
      {{"--data-dir", "d", "--listen", ":80"}, "the host is missing"},
      {{"--data-dir", "d", "--listen", "::1:80"}, "needs brackets"},
      {{"--data-dir", "d", "--listen", "[x]:80"}, "no IPv6 address"},
      {{"--data-dir", "d", "--listen", "0.0.0.0:80"}, "--insecure-listen"},
      {{"--data-dir", "d", "--listen", "[::]:80"}, "--insecure-listen"},
      {{"--data-dir", "d", "--listen", "example.org:80"}, "--insecure-listen"},
  };
  for (const Case& c : kCases) {
    const auto parsed = Parse(c.args);
    ASSERT_TRUE(std::holds_alternative<Exit>(parsed)) << c.text;
    EXPECT_EQ(std::get<Exit>(parsed).code, kExitUsage) << c.text;
    EXPECT_THAT(std::get<Exit>(parsed).text, HasSubstr(c.text));
  }
}

TEST(OptionsTest, HelpAndVersionAreNoErrors) {
  for (const char* flag : {"--help", "--version"}) {
    const auto parsed = Parse({flag});
    ASSERT_TRUE(std::holds_alternative<Exit>(parsed));
    EXPECT_EQ(std::get<Exit>(parsed).code, kExitOk);
    EXPECT_THAT(std::get<Exit>(parsed).text, HasSubstr("nestord"));
  }
}

TEST(OptionsTest, LoopbackIsKnown) {
  for (const char* text : {"127.0.0.1:1", "127.9.9.9:1", "localhost:1", "[::1]:1"}) {
    EXPECT_TRUE(IsLoopback(*ParseEndpoint(text))) << text;
  }
  for (const char* text :
       {"0.0.0.0:1", "10.0.0.1:1", "[::]:1", "[2001:db8::1]:1", "127.example:1"}) {
    EXPECT_FALSE(IsLoopback(*ParseEndpoint(text))) << text;
  }
}

TEST(LogTest, TextQuotesWhatNeedsIt) {
  EXPECT_EQ(
      FormatLogEvent(LogFormat::kText, "loaded",
                     {{"collection", "a-1"},
                      {"rows", uint64_t{7}},
                      {"text", "two words\n\"x\""},
                      {"empty", ""},
                      {"ok", true},
                      {"s", 0.5},
                      {"d", -3}}),
      "loaded collection=a-1 rows=7 text=\"two words\\n\\\"x\\\"\" empty=\"\" ok=true s=0.5 d=-3");
}

TEST(LogTest, JsonIsParsedBack) {
  const std::string broken = "caf\xc3\xa9 \xff \x01";
  const std::string line =
      "{" +
      FormatLogEvent(LogFormat::kJson, "e", {{"text", broken}, {"n", -1}, {"nan", std::nan("")}}) +
      "}";
  const auto parsed = nlohmann::json::parse(line);
  EXPECT_EQ(parsed["event"], "e");
  EXPECT_EQ(parsed["text"], "caf\xc3\xa9 \xef\xbf\xbd \x01");
  EXPECT_EQ(parsed["n"], -1);
  EXPECT_TRUE(parsed["nan"].is_null());
}

}  // namespace
}  // namespace nestor
