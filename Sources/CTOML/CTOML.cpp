// SPDX-License-Identifier: GPL-3.0-or-later
#include "CTOML.h"

// A syntax error unwinds at once, which leaves toml++'s parser no half-broken state to go on in.
#define TOML_EXCEPTIONS 1
#define TOML_ENABLE_FORMATTERS 0
// What bounds toml++'s recursion, and so the stack: nothing of CRD's nests deeper than four.
#define TOML_MAX_NESTED_VALUES 16
#include <toml++/toml.h>

namespace {

// The most parts of a dotted key. toml++ sets no limit to these, yet frees the tables they make
// recursively: a megabyte of "a.a.a." would overflow the stack after it parsed well.
constexpr size_t key_parts_max = 16;

struct document final : ctoml_document {
    toml::table root;
    std::vector<ctoml_node> flat;
    std::string message;

    document() : ctoml_document{} {}

    void fail(std::string_view reason, ctoml_position where) {
        message = reason;
        flat.clear();
        nodes = nullptr;
        count = 0;
        error = {message.data(), message.size()};
        error_position = where;
    }
};

ctoml_position position(const toml::source_position &at) { return {at.line, at.column}; }

ctoml_text text(std::string_view view) { return {view.data(), view.size()}; }

// Finds a key of too many parts. Knows of TOML only what can hide a dot or end a key: strings,
// comments and the marks between keys and values.
bool find_long_key(std::string_view toml, ctoml_position &found) {
    uint32_t line = 1;
    size_t line_start = 0, parts = 1;
    for (size_t at = 0; at < toml.size(); at++) {
        switch (const char mark = toml[at]) {
        case '\n':
            line++;
            line_start = at + 1;
            [[fallthrough]];
        case '=':
        case ',':
        case '[':
        case '{':
            parts = 1;
            break;
        case '.':
            if (++parts <= key_parts_max) break;
            found = {line, static_cast<uint32_t>(at - line_start + 1)};
            return true;
        case '#':
            while (at + 1 < toml.size() && toml[at + 1] != '\n') at++;
            break;
        case '"':
        case '\'': {
            const std::string_view triple = mark == '"' ? "\"\"\"" : "'''";
            const bool multiline = toml.substr(at, 3) == triple;
            for (at += multiline ? 3 : 1; at < toml.size(); at++) {
                if (toml[at] == '\\' && mark == '"') {
                    at++;
                } else if (multiline) {
                    if (toml.substr(at, 3) == triple) {
                        // Up to two quotes more belong to the string: """"quoted""""".
                        at += 2;
                        for (int more = 0; more < 2; more++) {
                            if (at + 1 < toml.size() && toml[at + 1] == mark) at++;
                        }
                        break;
                    }
                } else if (toml[at] == mark) {
                    break;
                }
                // After the escape, whose second byte may be a line's end.
                if (at < toml.size() && toml[at] == '\n') {
                    line++;
                    line_start = at + 1;
                    if (!multiline) break;
                }
            }
            break;
        }
        default:
            break;
        }
    }
    return false;
}

void flatten(std::vector<ctoml_node> &flat, const toml::node &node, const toml::key *key) {
    ctoml_node entry{};
    entry.position = position(node.source().begin);
    if (key) {
        entry.key = text(key->str());
        entry.key_position = position(key->source().begin);
    }
    if (const auto *string = node.as_string()) {
        entry.kind = ctoml_string;
        entry.string = text(string->get());
    } else if (const auto *integer = node.as_integer()) {
        entry.kind = ctoml_integer;
        entry.integer = integer->get();
    } else if (const auto *floating = node.as_floating_point()) {
        entry.kind = ctoml_float;
        entry.floating = floating->get();
    } else if (const auto *boolean = node.as_boolean()) {
        entry.kind = ctoml_boolean;
        entry.integer = boolean->get();
    } else if (const auto *array = node.as_array()) {
        entry.kind = ctoml_array;
        entry.children = array->size();
        flat.push_back(entry);
        for (const auto &child : *array) flatten(flat, child, nullptr);
        return;
    } else if (const auto *table = node.as_table()) {
        entry.kind = ctoml_table;
        entry.children = table->size();
        flat.push_back(entry);
        for (const auto &[name, child] : *table) flatten(flat, child, &name);
        return;
    } else {
        entry.kind = ctoml_date;
    }
    flat.push_back(entry);
}

}  // namespace

const ctoml_document *ctoml_parse(const char *bytes, size_t count) {
    auto *result = new document;
    const std::string_view toml{bytes, bytes ? count : 0};
    ctoml_position where{1, 1};
    try {
        if (find_long_key(toml, where)) {
            result->fail("a key has too many parts", where);
            return result;
        }
        result->root = toml::parse(toml);
        flatten(result->flat, result->root, nullptr);
        result->nodes = result->flat.data();
        result->count = result->flat.size();
    } catch (const toml::parse_error &error) {
        result->fail(error.description(), position(error.source().begin));
    } catch (const std::exception &error) {
        result->fail(error.what(), where);
    } catch (...) {
        result->fail("the parser gave up", where);
    }
    return result;
}

void ctoml_free(const ctoml_document *handle) { delete static_cast<const document *>(handle); }
