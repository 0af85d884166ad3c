#!/usr/bin/env python3
"""The C structs and tables against the schema files, by other eyes than the generator's.

Reads the two XML files with its own rules of SBE (a field's size follows from its type, its place from its offset attribute) and writes a C
program that asserts, through the compiler, every size, offset, signedness, template id and enum value of engine/sbe.h, and compares at run time every
row of engine/sbe_meta.c. Nothing is taken from engine/sbe_gen.py. Exit 1 with the compiler's or the program's words when something differs.
"""
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = ("engine/wcx-1.0.xml", "engine/wcx-internal.xml")
WIDTH = {"char": 1, "int8": 1, "uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8, "int64": 8}
CTYPE = {"char": "char", "int8": "int8_t", "uint8": "uint8_t", "uint16": "uint16_t", "uint32": "uint32_t", "uint64": "uint64_t", "int64": "int64_t"}


def words(name):
    """ClOrdID -> cl_ord_id: a word ends before a capital that follows a small letter or digit, or that starts a word after capitals."""
    out = ""
    for i, c in enumerate(name):
        before = name[i - 1] if i else ""
        after = name[i + 1] if i + 1 < len(name) else ""
        if c.isupper() and before and before != "_" and (not before.isupper() or after.islower()):
            out += "_"
        out += c.lower()
    return out


def local(tag):
    return tag.rsplit("}", 1)[-1]


class Problem(Exception):
    pass


class Types:
    def __init__(self):
        self.simple, self.named = {}, {}

    def read(self, node):
        for child in node:
            kind, name = local(child.tag), child.get("name")
            if kind == "type":
                entry = (child.get("primitiveType"), int(child.get("length", "1")), child.get("presence", "required"))
                if self.simple.setdefault(name, entry) != entry:
                    raise Problem(f"type {name} is defined twice, differently")
            elif kind in ("enum", "set"):
                values = [(v.get("name"), int(v.text)) for v in child]
                if len({v for _, v in values}) != len(values) or len({n for n, _ in values}) != len(values):
                    raise Problem(f"{kind} {name} repeats a name or a value")
                limit = 8 * WIDTH[child.get("encodingType")] if kind == "set" else 1 << 8 * WIDTH[child.get("encodingType")]
                if any(v < 0 or v >= limit for _, v in values):
                    raise Problem(f"{kind} {name} has a value that its {child.get('encodingType')} cannot hold")
                self.named[name] = (kind, child.get("encodingType"), values)

    def of(self, name):
        """(primitive type, length, optional, enum or set or None)"""
        if name in self.named:
            kind, prim, _ = self.named[name]
            return prim, 1, False, kind
        prim, length, presence = self.simple[name]
        return prim, length, presence == "optional", None


def load():
    types, messages = Types(), []
    for file in FILES:
        root = ET.parse(ROOT / file).getroot()
        if root.get("byteOrder") != "littleEndian":
            raise Problem(f"{file}: byteOrder is not littleEndian")
        for node in root:
            if local(node.tag) == "types":
                types.read(node)
        messages += [(int(root.get("id")), node) for node in root if local(node.tag) == "message"]
    return types, messages


def block_rules(label, fields, types, length):
    """SBE's and the house's own: fields in order without hole or overlap, naturally aligned, filling a block that is a multiple of 8."""
    at = 0
    for field in fields:
        prim, cnt, _, _ = types.of(field.get("type"))
        off = int(field.get("offset"))
        if off != at:
            raise Problem(f"{label}.{field.get('name')}: offset {off}, the field before ends at {at}")
        if off % WIDTH[prim] != 0:
            raise Problem(f"{label}.{field.get('name')}: offset {off} is not aligned to {WIDTH[prim]}")
        at = off + WIDTH[prim] * cnt
    if at != length or length % 8 != 0:
        raise Problem(f"{label}: blockLength {length}, fields end at {at}")


def struct_checks(out, label, ctype, fields, types, length):
    out.append(f'_Static_assert(sizeof({ctype}) == {length}, "{label}: size");')
    for field in fields:
        prim, cnt, _, _ = types.of(field.get("type"))
        member = words(field.get("name"))
        out.append(f'_Static_assert(offsetof({ctype}, {member}) == {field.get("offset")}, "{label}.{field.get("name")}: offset");')
        out.append(f'_Static_assert(sizeof((({ctype} *)0)->{member}) == {WIDTH[prim] * cnt}, "{label}.{field.get("name")}: size");')
        element = f"(({ctype} *)0)->{member}" + ("[0]" if cnt > 1 else "")
        out.append(f'_Static_assert(_Generic({element}, {CTYPE[prim]}: 1, default: 0), "{label}.{field.get("name")}: type");')


def is_padding(field):
    name = field.get("name")
    return name == "Reserved" or (name.startswith("Pad") and name[3:] in ("",) + tuple("0123456789"))


def row(field, types):
    prim, cnt, optional, ref = types.of(field.get("type"))
    if ref is not None:
        kind = "WCX_SBE_ENUM" if ref == "enum" else "WCX_SBE_SET"
    elif is_padding(field):
        kind = "WCX_SBE_PAD"
    elif prim == "char":
        kind = "WCX_SBE_CHAR"
    elif cnt > 1:
        kind = "WCX_SBE_BYTES"
    else:
        kind = {"uint8": "WCX_SBE_U8", "uint16": "WCX_SBE_U16", "uint32": "WCX_SBE_U32", "uint64": "WCX_SBE_U64", "int8": "WCX_SBE_I8", "int64": "WCX_SBE_I64"}[prim]
    enum = f'"{field.get("type")}"' if ref is not None else "NULL"
    return f'{{"{field.get("name")}", {enum}, {field.get("id")}, {field.get("offset")}, {WIDTH[prim] * cnt}, {kind}, {int(optional)}}}'


PROGRAM_HEAD = """#include "engine/sbe_meta.h"
#include <stdio.h>
#include <string.h>
typedef struct { const char *name, *ref; unsigned tag, off, sz, kind, optional; } row_t;
typedef struct { const char *name; long value; } value_t;
static int bad;
#define SAY(...) (bad = 1, printf(__VA_ARGS__))
static void rows(const char *msg, const wcx_sbe_field_t *have, unsigned have_cnt, const row_t *want, unsigned want_cnt)
{
  if (have_cnt != want_cnt) { SAY("%s: the table has %u fields, the schema %u\\n", msg, have_cnt, want_cnt); return; }
  for (unsigned i = 0; i < want_cnt; i++)
  {
    const wcx_sbe_field_t *h = &have[i]; const row_t *w = &want[i];
    int same = strcmp(h->name, w->name) == 0 && h->tag == w->tag && h->off == w->off && h->sz == w->sz && h->kind == w->kind && h->optional == w->optional &&
               (h->ref == NULL) == (w->ref == NULL) && (h->ref == NULL || strcmp(h->ref->name, w->ref) == 0);
    if (!same) SAY("%s.%s: the table's row differs from the schema\\n", msg, w->name);
  }
}
static void values(const char *name, const wcx_sbe_enum_t *have, int set, const value_t *want, unsigned want_cnt)
{
  unsigned long long valid[4] = {0};
  if (have == NULL || have->value_cnt != want_cnt) { SAY("%s: number of values\\n", name); return; }
  for (unsigned i = 0; i < want_cnt; i++)
  {
    if (strcmp(have->values[i].name, want[i].name) != 0 || have->values[i].value != want[i].value) SAY("%s.%s: the table's row differs from the schema\\n", name, want[i].name);
    valid[want[i].value / 64] |= 1ull << want[i].value % 64;
  }
  for (int i = 0; i < (set ? 1 : 4); i++)
    if (have->valid[i] != valid[i]) SAY("%s: mask of valid values\\n", name);
}
static const wcx_sbe_enum_t *ref_of(const char *name)
{
  for (unsigned m = 0; m < wcx_sbe_msg_cnt; m++)
    for (unsigned f = 0; f < wcx_sbe_msgs[m].field_cnt; f++)
      if (wcx_sbe_msgs[m].fields[f].ref != NULL && strcmp(wcx_sbe_msgs[m].fields[f].ref->name, name) == 0) return wcx_sbe_msgs[m].fields[f].ref;
  return NULL;
}
"""


def message_checks(types, schema_id, node, static, run):
    name, length = node.get("name"), int(node.get("blockLength"))
    fields = [f for f in node if local(f.tag) == "field"]
    groups = [g for g in node if local(g.tag) == "group"]
    block_rules(name, fields, types, length)
    struct_checks(static, name, f"wcx_{words(name)}_t", fields, types, length)
    static.append(f'_Static_assert(WCX_TEMPLATE_{words(name).upper()} == {node.get("id")}, "{name}: template id");')
    run.append(f'  {{ const wcx_sbe_msg_t *m = wcx_sbe_find({node.get("id")}); static const row_t want[] = {{{", ".join(row(f, types) for f in fields)}}};')
    run.append(f'    if (m == NULL || strcmp(m->name, "{name}") != 0 || m->block_length != {length} || m->schema_id != {schema_id}) SAY("{name}: head of the table\'s row\\n");')
    run.append(f'    else {{ rows("{name}", m->fields, m->field_cnt, want, {len(fields)});')
    if groups:
        group = groups[0]
        inner = [f for f in group if local(f.tag) == "field"]
        block_rules(f"{name}.{group.get('name')}", inner, types, int(group.get("blockLength")))
        struct_checks(static, f"{name}.{group.get('name')}", f"wcx_{words(name)}_{words(group.get('name'))}_t", inner, types, int(group.get("blockLength")))
        run.append(f'    static const row_t g[] = {{{", ".join(row(f, types) for f in inner)}}};')
        run.append(f'    if (m->group_name == NULL || strcmp(m->group_name, "{group.get("name")}") != 0 || m->group_block_length != {group.get("blockLength")}) SAY("{name}: group\\n");')
        run.append(f'    else rows("{name}.{group.get("name")}", m->group_fields, m->group_field_cnt, g, {len(inner)});')
    else:
        run.append(f'    if (m->group_name != NULL) SAY("{name}: the table has a group\\n");')
    run.append("    } }")


def program(types, messages):
    static, run = [], []
    for schema_id, node in messages:
        message_checks(types, schema_id, node, static, run)
    for name, (kind, _, values) in types.named.items():
        for value_name, value in values:
            shown = value if kind == "enum" else 1 << value
            static.append(f'_Static_assert(WCX_{words(name).upper()}_{words(value_name).upper()} == {shown}, "{name}.{value_name}: value");')
        rows = ", ".join(f'{{"{n}", {v}}}' for n, v in values)
        run.append(f'  {{ static const value_t want[] = {{{rows}}}; if (ref_of("{name}") != NULL) values("{name}", ref_of("{name}"), {int(kind == "set")}, want, {len(values)}); }}')
    run.append(f'  if (wcx_sbe_msg_cnt != {len(messages)}) SAY("the table has %u messages, the schema {len(messages)}\\n", wcx_sbe_msg_cnt);')
    return PROGRAM_HEAD + "\n".join(static) + "\nint main(void)\n{\n" + "\n".join(run) + "\n  return bad;\n}\n"


def main():
    try:
        text = program(*load())
    except (Problem, KeyError, ET.ParseError) as problem:
        print(f"schema: {problem}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as temp:
        source, exe = Path(temp, "schema.c"), Path(temp, "schema")
        source.write_text(text)
        build = subprocess.run([os.environ.get("CC", "gcc"), "-std=c17", "-D_GNU_SOURCE", "-O0", "-I", str(ROOT), "-o", str(exe), str(source), str(ROOT / "engine/sbe_meta.c"),
                                str(ROOT / "engine/sbe_find.c")], capture_output=True, text=True, check=False)
        if build.returncode != 0:
            print("schema: engine/sbe.h is not what the XML says:\n" + build.stderr, file=sys.stderr)
            return 1
        run = subprocess.run([str(exe)], capture_output=True, text=True, check=False)
        if run.returncode != 0:
            print("schema: engine/sbe_meta.c is not what the XML says:\n" + run.stdout, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
