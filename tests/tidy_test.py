#!/usr/bin/env python3
"""Each check of tools/tidy must find what it forbids, and must leave alone what it allows."""
import importlib.machinery
import importlib.util
import pathlib
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
loader = importlib.machinery.SourceFileLoader("tidy", str(ROOT / "tools" / "tidy"))
tidy = importlib.util.module_from_spec(importlib.util.spec_from_loader("tidy", loader))
loader.exec_module(tidy)

HEAD = "// Head.\n"


def rules(name, text):
    return {violation.split(": ")[1] for violation in tidy.violations(ROOT / name, text)}


class Tidy(unittest.TestCase):
    def finds(self, rule, name, text):
        self.assertIn(rule, rules(name, HEAD + text))

    def allows(self, name, text):
        self.assertEqual(set(), rules(name, HEAD + text))

    def test_layers(self):
        self.finds("layer", "src/base/x.cc", '#include "json/value.h"\n')
        self.finds("layer", "src/store/x.cc", '#include "http/server.h"\n')
        self.finds("layer", "src/engine/x.h", '#include "store/sqlite_store.h"\n')
        self.allows("src/cli/x.cc", '#include "store/sqlite_store.h"\n#include "base/time.h"\n')
        self.allows("src/engine/x_test.cc", '#include "store/memory_store.h"\n')

    def test_heavy_headers(self):
        self.finds("heavy-header", "src/engine/x.cc", "#include <sqlite3.h>\n")
        self.finds("heavy-header", "src/store/x.h", "#include <sqlite3.h>\n")
        self.finds("heavy-header", "src/core/x.h", "#include <boost/asio/io_context.hpp>\n")
        self.finds("heavy-header", "src/json/x.cc", "#include <cctz/time_zone.h>\n")
        self.allows("src/json/zone.cc", "#include <cctz/time_zone.h>\n")
        self.finds("heavy-header", "src/json/x.cc", "#include <openssl/sha.h>\n")
        self.allows("src/json/jq/builtins_digest.cc", "#include <openssl/sha.h>\n")
        self.allows("src/store/x.cc", "#include <sqlite3.h>\n")
        self.allows("src/core/x.h", "#include <boost/asio/awaitable.hpp>\n")

    def test_coroutine_faults_of_the_compiler(self):
        self.finds("co_await", "src/engine/x.cc", "auto [a, b] = co_await f();\n")
        self.finds("co_await", "src/engine/x.cc", "co_await f(Thing{1, two});\n")
        self.finds("co_await", "src/engine/x.cc", "co_await f(x, [&y] { return y; });\n")
        self.allows("src/engine/x.cc", "auto r = co_await f(std::move(thing));\n")
        self.finds("detached", "src/engine/x.cc", "asio::co_spawn(e, f(), asio::detached);\n")

    def test_clock_and_sleep(self):
        self.finds("real-clock", "src/engine/x.cc", "auto t = std::chrono::system_clock::now();\n")
        self.finds("real-clock", "src/engine/x_test.cc", "auto t = std::chrono::steady_clock::now();\n")
        self.finds("sleep", "tests/sim/x.cc", "std::this_thread::sleep_for(1s);\n")
        self.allows("src/engine/x.cc", "auto t = clock.now();\n")

    def test_size_words_and_white_space(self):
        self.finds("file-size", "src/base/x.cc", "int x;\n" * 501)
        self.finds("function-size", "src/base/x.cc", "void f() {\n" + "  g();\n" * 80 + "}\n")
        self.finds("unfinished", "src/base/x.cc", "// TO" + "DO later\n")
        self.finds("white-space", "src/base/x.cc", "int x; \n")
        self.finds("line-length", "src/base/x.cc", "int " + "x" * 130 + ";\n")
        self.assertIn("head", rules("src/base/x.h", "#pragma once\n"))

    def test_literals_and_comments_are_not_code(self):
        self.allows("src/engine/x.cc", 'const char* s = "steady_clock::now sleep_for";  // steady_clock::now\n')


if __name__ == "__main__":
    unittest.main()
