// What the language has beyond jq: digests, CSV and XML; times stand in times_test.cc.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/bytes.h"
#include "base/text.h"
#include "json/jq/business_fixture.h"

namespace tieline::json {
namespace {

TEST(Digests, OfTheStandardsOwnExamples) {
  const Case cases[] = {
      // FIPS 180-2, appendix B.
      {"sha256", R"("abc")", "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""},
      {"sha256", R"("")", "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\""},
      {"sha256", R"("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")",
       "\"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1\""},
      // RFC 4231, cases 1 and 2.
      {"hmac_sha256([range(20) | 11] | implode)", R"("Hi There")",
       "\"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7\""},
      {"hmac_sha256(\"Jefe\")", R"("what do ya want for nothing?")",
       "\"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\""},
      {"hmac_sha256(\"\")", R"("")", "\"b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad\""},
      // RFC 9562, appendix A.4.
      {"uuid5(\"dns\")", R"("www.example.com")", "\"2ed6657d-e927-568b-95e1-2665a8aea6a2\""},
      {"uuid5(\"6BA7B810-9DAD-11D1-80B4-00C04FD430C8\")", R"("www.example.com")",
       "\"2ed6657d-e927-568b-95e1-2665a8aea6a2\""},
      {"[(\"url\", \"oid\", \"x500\") as $n | uuid5($n)] | unique | length", R"("x")", "3"},
  };
  for (const Case& c : cases) EXPECT_EQ(ran(c.source, c.input), c.output) << c.source << " of " << c.input;
}

TEST(Digests, FaultsSayWhatIsWrong) {
  const Case cases[] = {
      {"sha256", "{\"a\":1}", "object ({\"a\":1}) is not a text, which sha256 wants; use tostring, or tojson"},
      {"hmac_sha256(\"k\")", "1", "number (1) is not a text, which hmac_sha256 wants"},
      {"hmac_sha256(1)", "\"a\"", "hmac_sha256 wants a text as its key, not number"},
      {"uuid5(\"dns\")", "null", "null (null) is not a text, which uuid5 wants"},
      {"uuid5(\"DNS\")", "\"a\"", "string (\"DNS\") is not a namespace of uuid5"},
      {"uuid5(\"6ba7b810-9dad-11d1-80b4-00c04fd430cg\")", "\"a\"", "is not a namespace of uuid5"},
      {"uuid5(\"6ba7b8109-dad-11d1-80b4-00c04fd430c8\")", "\"a\"", "is not a namespace of uuid5"},
      {"uuid5(5)", "\"a\"", "number (5) is not a namespace of uuid5"},
  };
  for (const Case& c : cases) EXPECT_THAT(ran(c.source, c.input), HasSubstr(std::string(c.output))) << c.source;
}

// Wycheproof's vectors, as far as their keys and messages are texts.
TEST(Digests, HmacOfTheCorpus) {
  const std::string path = "../shared/corpora/crypto/hmac_sha256_test.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no corpora";
  std::ifstream file(path);
  const auto document = parse(std::string(std::istreambuf_iterator<char>(file), {}));
  ASSERT_TRUE(document);
  const auto program = compile("hmac_sha256($key)", std::vector<std::string>{"key"});
  std::size_t checked = 0;
  for (const Value group : document->root()["testGroups"].elements()) {
    for (const Value test : group["tests"].elements()) {
      const Bytes key = *from_hex(test["key"].as_string()), message = *from_hex(test["msg"].as_string());
      if (!valid_utf8(key) || !valid_utf8(message)) continue;
      const std::vector<Document> variables = {make_string(key)};
      const auto tag = (*program)->run_one(make_string(message), variables);
      ASSERT_TRUE(tag);
      const std::string given(tag->root().as_string().substr(0, test["tag"].size()));
      EXPECT_EQ(given == test["tag"].as_string(), test["result"].as_string() == "valid") << print(test);
      ++checked;
    }
  }
  EXPECT_GT(checked, 0u);
}

TEST(Csv, IsReadByItsRules) {
  struct Read {
    std::string_view source, text, output;
  };
  const Read cases[] = {
      {"parse_csv", "id,name\r\n1,Ada\r\n02,\"Almond, Birch\"\r\n",
       R"([{"id":"1","name":"Ada"},{"id":"02","name":"Almond, Birch"}])"},
      {"parse_csv", "id,name\n1,Ada", R"([{"id":"1","name":"Ada"}])"},
      {"parse_csv", "\xEF\xBB\xBFid\n1\n", R"([{"id":"1"}])"},
      {"parse_csv", "a,b\n\"say \"\"hi\"\"\",\"two\r\nlines\"\n", R"([{"a":"say \"hi\"","b":"two\r\nlines"}])"},
      {"parse_csv", "a,b\n\"\"\"\"\"\",\"\"\n", R"([{"a":"\"\"","b":""}])"},
      {"parse_csv", "a,b\n,\n", R"([{"a":"","b":""}])"},
      {"parse_csv", "\n\r\na\n\n1\n\n\r\n2\r\n\r\n", R"([{"a":"1"},{"a":"2"}])"},
      {"parse_csv", "a\n\"\"\n", R"([{"a":""}])"},
      {"parse_csv", "a,b\r\n", "[]"},
      {"parse_csv", "", "[]"},
      {"parse_csv", "a, b\n 1 ,2\r", R"([{"a":" 1 "," b":"2"}])"},
      {"parse_csv", "a\nx\ry\n", R"([{"a":"x\ry"}])"},
      {"parse_csv({header: false})", "1,2\n3,4\n", R"([["1","2"],["3","4"]])"},
      {"parse_csv({header: [\"x\", \"y\"]})", "1,2\n", R"([{"x":"1","y":"2"}])"},
      {"parse_csv({separator: \";\"})", "a;b\n1,5;\"x;y\"\n", R"([{"a":"1,5","b":"x;y"}])"},
      {"parse_csv({separator: \"\\t\", quote: \"\"})", "a\tb\n5\" pipe\t\"x\n", R"([{"a":"5\" pipe","b":"\"x"}])"},
      {"parse_csv({separator: \"¦\", quote: \"'\"})", "a¦b\n'x¦y'¦'it''s'\n", R"([{"a":"x¦y","b":"it's"}])"},
      {"parse_csv({separator: null, header: null})", "a\n1\n", R"([{"a":"1"}])"},
  };
  for (const Read& c : cases) EXPECT_EQ(ran_on(c.source, c.text), c.output) << c.source << " of " << c.text;
}

TEST(Csv, FaultsHaveTheirLine) {
  struct Read {
    std::string_view source, text, message;
  };
  const Read cases[] = {
      {"parse_csv", "a,b\n1,2\n3\n", "parse_csv: line 3: there is 1 field where the header has 2"},
      {"parse_csv", "a,b\n\"x\ny\",2\n1,2,3\n", "line 4: there are 3 fields where the header has 2"},
      {"parse_csv", "a;b\n1;2;3\n4,5\n", "line 3: there are 2 fields where the header has 1"},
      {"parse_csv({header: false})", "1,2\n\n1\n", "line 3: there is 1 field where the first row has 2; is the sep"},
      {"parse_csv", "a\n\"x\n\ny", "line 2: a field in quotes does not end"},
      {"parse_csv", "a\n\"x\"y\n", "line 2: text stands behind a field in quotes"},
      {"parse_csv", "a\n\"x\" \n", "line 2: text stands behind a field in quotes"},
      {"parse_csv", "a\n1\n5\" pipe\n", "line 3: a quote stands inside a field that does not begin with one"},
      {"parse_csv", "a,b,a\n", "the header has the column \"a\" twice"},
      {"parse_csv({seperator: \";\"})", "a", "parse_csv has no option \"seperator\"; did you mean \"separator\"?"},
      {"parse_csv({separator: \"\"})", "a", "parse_csv: the option separator is one character"},
      {"parse_csv({separator: \"ab\"})", "a", "the option separator is one character"},
      {"parse_csv({separator: \"\\n\"})", "a", "the option separator is one character"},
      {"parse_csv({quote: \",\"})", "a", "the option quote is also the separator"},
      {"parse_csv({header: \"a\"})", "a", "the option header is true, false or the names of the columns"},
      {"parse_csv(\";\")", "a", "string (\";\") are not the options of parse_csv"},
  };
  for (const Read& c : cases) {
    EXPECT_THAT(ran_on(c.source, c.text), HasSubstr(std::string(c.message))) << c.source << " of " << c.text;
  }
  EXPECT_THAT(ran("parse_csv", "[1]"), HasSubstr("array ([1]) is not a text, which parse_csv wants"));
}

TEST(Csv, IsWritten) {
  const Case cases[] = {
      {"to_csv", R"([{"id":1,"name":"Ada"},{"name":"Almond, \"B\"","id":2,"more":true}])",
       "id,name,more\r\n1,Ada,\r\n2,\"Almond, \"\"B\"\"\",true\r\n"},
      {"to_csv", R"([[12345678901234567890,1.10,1e3,null,"x\ny"]])", "12345678901234567890,1.10,1e3,,\"x\ny\"\r\n"},
      {"to_csv({columns: [\"b\", \"a\"], newline: \"\\n\"})", R"([{"a":1,"b":2,"c":3},{"a":4}])", "b,a\n2,1\n,4\n"},
      {"to_csv({header: false, separator: \";\"})", R"([{"a":"1,5","b":"x;y"}])", "1,5;\"x;y\"\r\n"},
      {"to_csv({columns: [\"a\", \"b\"]})", "[[1,2]]", "a,b\r\n1,2\r\n"},
      {"to_csv({columns: [\"a\"]})", "[]", "a\r\n"},
      {"to_csv", "[]", ""},
      {"to_csv", R"([[""],["\uFEFFx"]])", "\"\"\r\n\xEF\xBB\xBFx\r\n"},
      {"to_csv", R"([["\uFEFFx"]])", "\"\xEF\xBB\xBFx\"\r\n"},
      {"to_csv({quote: \"\", separator: \"\\t\"})", R"([["a\"b",1]])", "a\"b\t1\r\n"},
  };
  for (const Case& c : cases) EXPECT_EQ(text_of(c.source, c.input), c.output) << c.source << " of " << c.input;
  const Case faults[] = {
      {"to_csv", "{}", "object ({}) is not an array of rows, which to_csv wants"},
      {"to_csv", "[1]", "to_csv: row 1 is of the kind number; a row is an object or an array"},
      {"to_csv", "[{\"a\":1},[1]]", "to_csv: row 2 is of the kind array, the first is an object"},
      {"to_csv", "[{}]", "to_csv: the rows have no columns"},
      {"to_csv", R"([{"a":1},{"a":[2]}])", "array ([2]) cannot stand in a field of to_csv, in row 2, column \"a\""},
      {"to_csv", "[[1,{}]]", "object ({}) cannot stand in a field of to_csv, in row 1, column 2"},
      {"to_csv", "[[1,2],[3]]", "to_csv: row 2 has 1 field where the first has 2"},
      {"to_csv({columns: [\"a\"]})", "[[1,2]]", "to_csv: row 1 has 2 fields where there are columns for 1"},
      {"to_csv({quote: \"\"})", "[[\"a,b\"]]", "\"a,b\" needs quotes, which {quote: \"\"} forbids, in row 1, column 1"},
      {"to_csv({columns: \"a\"})", "[]", "to_csv: the option columns is an array of texts"},
      {"to_csv({newline: \"\\r\"})", "[]", "to_csv: the option newline is \"\\n\" or \"\\r\\n\""},
      {"to_csv({header: 1})", "[]", "to_csv: the option header is true or false"},
  };
  for (const Case& c : faults) EXPECT_THAT(ran(c.source, c.input), HasSubstr(std::string(c.output))) << c.source;
}

TEST(Csv, ComesBackAsItWas) {
  for (const char* const rows :
       {R"([["a","b"],["","x,y"],["\"","\r\n"],[" ","'"]])", "[[\"\"],[\"\xEF\xBB\xBF\"],[\"\\r\"]]", "[]"}) {
    EXPECT_EQ(ran("to_csv | parse_csv({header: false})", rows), rows);
    EXPECT_EQ(ran("to_csv({separator: \";\", newline: \"\\n\"}) | parse_csv({separator: \";\", header: false})", rows),
              rows);
  }
  EXPECT_EQ(ran("to_csv | parse_csv", R"([{"":"1","x,\"y":"2"}])"), R"([{"":"1","x,\"y":"2"}])");
}

TEST(Xml, IsReadByItsMapping) {
  struct Read {
    std::string_view source, text, output;
  };
  const Read cases[] = {
      {"parse_xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><a>x</a>\n<?pi y?>", R"({"a":"x"})"},
      {"parse_xml", "<a/>", R"({"a":""})"},
      {"parse_xml", "<a>  x\r\n </a>", R"({"a":"  x\n "})"},
      {"parse_xml", "<a id='7' b=\"\">x</a>", R"({"a":{"@id":"7","@b":"","#text":"x"}})"},
      {"parse_xml", "<a id=\"7\"/>", R"({"a":{"@id":"7"}})"},
      {"parse_xml", "<o>\n  <l n=\"1\">p</l>\n  <t/>\n  <l>q</l>\n</o>",
       R"({"o":{"l":[{"@n":"1","#text":"p"},"q"],"t":""}})"},
      {"parse_xml({arrays: [\"l\"]})", "<o><l>1</l></o>", R"({"o":{"l":["1"]}})"},
      {"parse_xml({arrays: [\"l\"]})", "<l/>", R"({"l":""})"},
      {"parse_xml", "<p>Hello <b>world</b>!</p>", R"({"p":{"b":"world","#text":"Hello !"}})"},
      {"parse_xml", "<a>1<!-- no -->2<![CDATA[<&>]]>3</a>", R"({"a":"12<&>3"})"},
      {"parse_xml", "<a t='&lt;&#65;&#x42;&quot;\n'>&amp;&apos;&gt;</a>", R"({"a":{"@t":"<AB\" ","#text":"&'>"}})"},
      {"parse_xml", "<s:E xmlns:s='urn:x'><s:B x:y='1'/></s:E>", R"({"s:E":{"@xmlns:s":"urn:x","s:B":{"@x:y":"1"}}})"},
      {"parse_xml", "\xEF\xBB\xBF<\xC3\xA9>\xE2\x82\xAC</\xC3\xA9>", "{\"\xC3\xA9\":\"\xE2\x82\xAC\"}"},
      {"parse_xml", "<a><b> </b><c x=''> </c></a>", R"({"a":{"b":" ","c":{"@x":"","#text":" "}}})"},
  };
  for (const Read& c : cases) EXPECT_EQ(ran_on(c.source, c.text), c.output) << c.source << " of " << c.text;
}

TEST(Xml, FaultsHaveTheirPlace) {
  struct Read {
    std::string_view text, message;
  };
  const Read cases[] = {
      {"", "there is no element"},
      {"x", "line 1, column 1: text stands outside of the root element"},
      {"<a>\n  <b></a>", "parse_xml: line 2, column "},
      {"<a>\n<b>x</c></a>", "line 2, column 7: an end tag is missing, or names another element"},
      {"<a>", "an end tag is missing"},
      {"<a", "a start tag is malformed or does not end"},
      {"<a b></a>", "an attribute is malformed"},
      {"<a b=c/>", "an attribute is malformed"},
      {"<a b='1' b='2'/>", "line 1, column 2: an attribute stands twice in one tag"},
      {"<a/><b/>", "line 1, column 5: there is a second element beside the root"},
      {"<a/>x", "line 1, column 5: text stands outside of the root element"},
      {"<a/></a>", "an end tag is missing, or names another element"},
      {"<!DOCTYPE a [<!ENTITY x \"y\">]>\n<a>&x;</a>", "line 1, column 1: a document type (<!DOCTYPE) is not accepted"},
      {"<a>\n\xC3\xA9&nbsp;</a>", "line 2, column 2: the entity &nbsp; is not one of XML's five"},
      {"<a>R&D</a>", "an & begins no entity; write &amp;"},
      {"<a b='R&D'/>", "an & begins no entity; write &amp;"},
      {"<a>&#0;</a>", "an & begins no entity"},
      {"<a>&#xD800;</a>", "an & begins no entity"},
      {"<a b='<'/>", "a < stands in the value of an attribute"},
      {"<a>\x01</a>", "line 1, column 4: a control character cannot stand in XML"},
      {"<a><![CDATA[x</a>", "a CDATA section does not end"},
      {"<a><!-- x</a>", "a comment does not end"},
      {"<a><!-- x -- y --></a>", "line 1, column 11: -- stands in a comment"},
      {"<a>x]]></a>", "line 1, column 5: ]]> stands in a text"},
      {" <?xml version='1.0'?><a/>", "line 1, column 2: an XML declaration stands behind the beginning"},
      {"<a/><? x?>", "line 1, column 5: a processing instruction (<?) is malformed"},
      {"<1/>", "line 1, column "},
  };
  for (const Read& c : cases) {
    EXPECT_THAT(ran_on("parse_xml", c.text), HasSubstr(std::string(c.message))) << c.text;
  }
  EXPECT_THAT(ran("\"<a>\\u0000</a>\" | parse_xml"), HasSubstr("a control character cannot stand in XML"));
  EXPECT_THAT(ran("parse_xml", "1"), HasSubstr("number (1) is not a text, which parse_xml wants"));
  EXPECT_THAT(ran_on("parse_xml({array: []})", "<a/>"), HasSubstr("has no option \"array\"; did you mean \"arrays\"?"));
  EXPECT_THAT(ran_on("parse_xml({arrays: 1})", "<a/>"), HasSubstr("the option arrays is an array of texts"));
  EXPECT_THAT(ran("[range(300) | \"<a>\"] | join(\"\") | parse_xml"), HasSubstr("nested deeper than 256 levels"));
}

TEST(Xml, IsWritten) {
  const Case cases[] = {
      {"to_xml", R"({"order":{"@id":7,"email":"a&b","line":[{"@n":1,"#text":"x"},null,2.50],"none":[]}})",
       R"(<order id="7"><email>a&amp;b</email><line n="1">x</line><line/><line>2.50</line></order>)"},
      {"to_xml", R"({"a":"<x> \"y\" ]]>\r\n\t"})", "<a>&lt;x&gt; \"y\" ]]&gt;&#13;\n\t</a>"},
      {"to_xml", R"({"a":{"b":true,"@t":"<x> \"y\"\r\n\t'","@none":null}})",
       "<a t=\"&lt;x&gt; &quot;y&quot;&#13;&#10;&#9;'\"><b>true</b></a>"},
      {"to_xml({declaration: true})", R"({"a":12345678901234567890})",
       "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a>12345678901234567890</a>"},
      {"to_xml", R"({"s:a":{"@xmlns:s":"urn:x","#text":""}})", R"(<s:a xmlns:s="urn:x"/>)"},
      {"to_xml", R"({"a":{}})", "<a/>"},
  };
  for (const Case& c : cases) EXPECT_EQ(text_of(c.source, c.input), c.output) << c.input;
  const Case faults[] = {
      {"to_xml", "{}", "object ({}) cannot be XML: to_xml wants an object with one key"},
      {"to_xml", R"({"a":1,"b":2})", "to_xml wants an object with one key"},
      {"to_xml", "\"a\"", "string (\"a\") cannot be XML"},
      {"to_xml", R"({"a":[1]})", "array ([1]) cannot be the root of to_xml"},
      {"to_xml", R"({"a b":1})", "to_xml: \"a b\" is not the name of an element"},
      {"to_xml", R"({"a":{"1":2}})", "to_xml: \"1\" is not the name of an element"},
      {"to_xml", R"({"a":{"x><y":[]}})", "is not the name of an element"},
      {"to_xml", R"({"a":{"@b c":1}})", "to_xml: \"@b c\" is not the name of an attribute"},
      {"to_xml", R"({"a":{"@":1}})", "to_xml: \"@\" is not the name of an attribute"},
      {"to_xml", R"({"a":{"#x":1}})", "to_xml: \"#x\" is not the name of an element"},
      {"to_xml", R"({"a":{"@b":[1]}})", "array ([1]) cannot be the attribute \"@b\" of <a>"},
      {"to_xml", R"({"a":{"#text":{}}})", "object ({}) cannot be the text of <a>"},
      {"to_xml", R"({"a":{"b":[[1]]}})", "array ([1]) cannot be one of the elements <b>"},
      {"to_xml", R"({"a":"\u0001"})", "has a control character that XML cannot hold, in <a>"},
      {"to_xml({declaration: \"1.1\"})", R"({"a":1})", "to_xml: the option declaration is true or false"},
      {"reduce range(300) as $i (1; {a: .}) | to_xml", "null", "to_xml: elements are nested deeper than 256 levels"},
  };
  for (const Case& c : faults) EXPECT_THAT(ran(c.source, c.input), HasSubstr(std::string(c.output))) << c.input;
}

TEST(Xml, ComesBackAsItWas) {
  for (const char* const document :
       {R"({"a":""})", R"({"a":" \n\t\r<&>\"' "})", R"({"a":{"@b":" \n\t\r<&>\"' ","c":["1","2",{"@d":""}]}})",
        R"({"s:a":{"@xmlns:s":"u","s:b":{"s:c":"é"},"x":"1"}})"}) {
    EXPECT_EQ(ran("to_xml | parse_xml", document), document);
    EXPECT_EQ(ran("to_xml({declaration: true}) | parse_xml", document), document);
  }
}

TEST(Business, NothingTakesMoreThanItMay) {
  const RunLimits few{.steps_max = 200'000, .memory_bytes_max = 8u << 20};
  for (const std::string_view source : {
           "reduce range(40) as $i ([\"x\"]; [., .]) | {a: {b: flatten}} | to_xml",
           "reduce range(40) as $i ({b: \"x\"}; {b: [., .]}) | {a: .} | to_xml",
           "[range(1000)] as $r | [range(100000) | $r] | to_csv",
           "\",\" * 4000000 | parse_csv({header: false})",
           "\"a\\n\" * 2000000 | parse_csv",
           "\"<a>\" + (\"<b/>\" * 1000000) + \"</a>\" | parse_xml",
           "\"<a \" + (\"b='' \" * 1000000) + \"/>\" | parse_xml",
           "\"x\" * 7000000 | [., ., ., ., ., ., .] | map(sha256) | map(sha256)",
           "[limit(300000; repeat(1 | in_zone(\"Europe/Berlin\")))] | length",
       }) {
    EXPECT_THAT(ran_in("UTC", source, "null", few),
                ::testing::AnyOf(HasSubstr("did not end within"), HasSubstr("MiB of memory"),
                                 HasSubstr("Repeat string result too long")))
        << source;
  }
}

TEST(Business, IsListedAndSuggested) {
  EXPECT_EQ(
      ran("[\"in_zone/0\", \"in_zone/1\", \"from_iso8601/0\", \"from_iso8601/1\", \"to_iso8601/0\", \"sha256/0\", "
          "\"hmac_sha256/1\", \"uuid5/1\", \"parse_csv/0\", \"parse_csv/1\", \"to_csv/0\", \"to_csv/1\", "
          "\"parse_xml/0\", \"parse_xml/1\", \"to_xml/0\", \"to_xml/1\", \"localtime/0\", \"strflocaltime/1\"] "
          "- builtins"),
      "[]");
  EXPECT_THAT(ran("parse_cvs"), HasSubstr("did you mean \"parse_csv\"?"));
  EXPECT_THAT(ran("in_zon(\"UTC\")"), HasSubstr("did you mean \"in_zone\"?"));
  EXPECT_THAT(ran("uuid5"), HasSubstr("there is uuid5/1"));
}

}  // namespace
}  // namespace tieline::json
