// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// A TOML document as read by toml++, flattened depth first: the root table comes first, and each table
// or array is followed by its children. One array crosses the language boundary instead of a tree of
// handles.

typedef enum ctoml_kind : uint8_t {
    ctoml_string,
    ctoml_integer,
    ctoml_float,
    ctoml_boolean,
    ctoml_date,  // A date, a time or both: CRD accepts none, so the kind does not matter.
    ctoml_array,
    ctoml_table,
} ctoml_kind;

// Columns count code points; lines and columns begin at 1.
typedef struct {
    uint32_t line, column;
} ctoml_position;

// UTF-8, not NUL-terminated; may contain NUL bytes, which TOML can escape.
typedef struct {
    const char *bytes;
    size_t count;
} ctoml_text;

typedef struct {
    ctoml_text key;  // In a table only.
    ctoml_position key_position;
    ctoml_position position;
    ctoml_text string;
    int64_t integer;   // A boolean is 0 or 1.
    double floating;
    size_t children;   // Of an array or a table.
    ctoml_kind kind;
} ctoml_node;

typedef struct {
    const ctoml_node *nodes;
    size_t count;      // 0: the text is not valid TOML, and `error` says why.
    ctoml_text error;
    ctoml_position error_position;
} ctoml_document;

// Parses TOML. Never returns null. The texts in the result live until `ctoml_free`; `bytes` may be
// freed before that.
const ctoml_document *ctoml_parse(const char *bytes, size_t count);
void ctoml_free(const ctoml_document *document);

#ifdef __cplusplus
}
#endif
