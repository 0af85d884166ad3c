#include "engine/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_SZ 64u

/* A reader of one line. The first error stays; every function returns false from then on. */
typedef struct reader
{
  const char *at;
  const char *end;
  char *err;
  size_t err_sz;
} reader_t;

typedef struct target
{
  const wcx_sbe_msg_t *msg;
  uint8_t *body;
  uint16_t *body_sz;
  bool *present;
  wcx_json_extra_t *extra;
} target_t;

__attribute__((format(printf, 2, 3))) static bool bad(reader_t *r, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  vsnprintf(r->err, r->err_sz, fmt, args);
  va_end(args);
  return false;
}

static void skip_space(reader_t *r)
{
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r' || *r->at == '\n'))
    r->at++;
}

/* Whether the next character is c; taken if so. */
static bool accept(reader_t *r, char c)
{
  skip_space(r);
  if (r->at == r->end || *r->at != c)
    return false;
  r->at++;
  return true;
}

static bool expect(reader_t *r, char c, const char *where)
{
  if (accept(r, c))
    return true;
  if (r->at == r->end)
    return bad(r, "the line ends where '%c' is expected %s", c, where);
  return bad(r, "'%c' stands where '%c' is expected %s", *r->at, c, where);
}

static bool read_escape(reader_t *r, char *out)
{
  static const char from[] = "\"\\/bfnrt";
  static const char to[] = "\"\\/\b\f\n\r\t";
  if (r->at == r->end)
    return bad(r, "a string does not end");
  char c = *r->at++;
  const char *found = c != 0 ? strchr(from, c) : NULL;
  if (found != NULL)
  {
    *out = to[found - from];
    return true;
  }
  unsigned value = 0;
  if (c != 'u' || r->end - r->at < 4)
    return bad(r, "a string holds an escape that JSON does not know");
  for (int i = 0; i < 4; i++, r->at++)
  {
    char h = *r->at;
    unsigned digit = h >= '0' && h <= '9' ? (unsigned)(h - '0') : h >= 'a' && h <= 'f' ? (unsigned)(h - 'a') + 10u : h >= 'A' && h <= 'F' ? (unsigned)(h - 'A') + 10u : 16u;
    if (digit == 16)
      return bad(r, "a string holds an escape that JSON does not know");
    value = value << 4 | digit;
  }
  if (value > 0xff)
    return bad(r, "a string holds a character that a char field cannot hold");
  *out = (char)(uint8_t)value;
  return true;
}

/* A string of up to sz bytes; *len its bytes, NUL added when there is room. */
static bool read_string(reader_t *r, char *out, size_t sz, size_t *len, const char *what)
{
  if (!expect(r, '"', what))
    return false;
  for (*len = 0; r->at < r->end && *r->at != '"';)
  {
    char c = *r->at++;
    if ((uint8_t)c < 0x20)
      return bad(r, "a string holds a control character");
    if (c == '\\' && !read_escape(r, &c))
      return false;
    if (*len == sz)
      return bad(r, "a string is longer than %zu bytes %s", sz, what);
    out[(*len)++] = c;
  }
  if (r->at == r->end)
    return bad(r, "a string does not end");
  r->at++;
  if (*len < sz)
    out[*len] = 0;
  return true;
}

static bool read_name(reader_t *r, char name[NAME_MAX_SZ + 1], const char *what)
{
  size_t len;
  if (!read_string(r, name, NAME_MAX_SZ, &len, what))
    return false;
  name[len] = 0;
  return true;
}

/* Sign and magnitude. */
static bool read_integer(reader_t *r, bool *negative, uint64_t *magnitude, const char *field)
{
  *magnitude = 0;
  skip_space(r);
  *negative = r->at < r->end && *r->at == '-';
  if (*negative)
    r->at++;
  if (r->at == r->end || *r->at < '0' || *r->at > '9')
    return bad(r, "%s: an integer is expected", field);
  if (*r->at == '0' && r->at + 1 < r->end && r->at[1] >= '0' && r->at[1] <= '9')
    return bad(r, "%s: an integer does not start with 0", field);
  for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
  {
    unsigned digit = (unsigned)(*r->at - '0');
    if (*magnitude > (UINT64_MAX - digit) / 10)
      return bad(r, "%s: the number does not fit 64 bits", field);
    *magnitude = *magnitude * 10 + digit;
  }
  if (r->at < r->end && (*r->at == '.' || *r->at == 'e' || *r->at == 'E'))
    return bad(r, "%s: an integer is expected, not a fraction", field);
  return true;
}

static bool read_unsigned(reader_t *r, uint64_t max, uint64_t *value, const char *field)
{
  bool negative;
  if (!read_integer(r, &negative, value, field))
    return false;
  if ((negative && *value != 0) || *value > max)
    return bad(r, "%s: the number is outside 0..%llu", field, (unsigned long long)max);
  return true;
}

static bool read_signed(reader_t *r, uint64_t max, uint64_t *value, const char *field)
{
  bool negative;
  if (!read_integer(r, &negative, value, field))
    return false;
  if (*value > max + (negative ? 1u : 0u))
    return bad(r, "%s: the number is outside -%llu..%llu", field, (unsigned long long)max + 1, (unsigned long long)max);
  if (negative)
    *value = 0 - *value;
  return true;
}

/* A name of the enum or set, or its number. */
static bool read_choice(reader_t *r, const wcx_sbe_field_t *field, uint64_t max, uint64_t *value)
{
  skip_space(r);
  if (r->at == r->end || *r->at != '"')
    return read_unsigned(r, max, value, field->name);
  char name[NAME_MAX_SZ + 1];
  if (!read_name(r, name, "as a value"))
    return false;
  for (uint32_t i = 0; i < field->ref->value_cnt; i++)
    if (strcmp(field->ref->values[i].name, name) == 0)
    {
      *value = field->ref->values[i].value;
      return true;
    }
  return bad(r, "%s: %s is not one of %s", field->name, name, field->ref->name);
}

static bool read_set(reader_t *r, const wcx_sbe_field_t *field, uint64_t *value)
{
  *value = 0;
  if (!expect(r, '[', "before the names of a set"))
    return false;
  if (accept(r, ']'))
    return true;
  do
  {
    uint64_t bit = 0;
    if (!read_choice(r, field, field->sz * 8u - 1, &bit))
      return false;
    *value |= UINT64_C(1) << bit;
  } while (accept(r, ','));
  return expect(r, ']', "after the names of a set");
}

static bool read_chars(reader_t *r, const wcx_sbe_field_t *field, uint8_t *at)
{
  char chars[NAME_MAX_SZ];
  size_t len;
  if (!read_string(r, chars, field->sz, &len, field->name))
    return false;
  memset(at, ' ', field->sz);
  memcpy(at, chars, len);
  return true;
}

static bool read_bytes(reader_t *r, const wcx_sbe_field_t *field, uint8_t *at)
{
  char hex[2 * NAME_MAX_SZ];
  size_t len;
  if (!read_string(r, hex, 2u * field->sz, &len, field->name))
    return false;
  if (len != 2u * field->sz)
    return bad(r, "%s: %u bytes as hex are expected", field->name, field->sz);
  for (uint16_t i = 0; i < field->sz; i++)
  {
    unsigned byte;
    char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
    if (strspn(pair, "0123456789abcdefABCDEF") != 2 || sscanf(pair, "%2x", &byte) != 1)
      return bad(r, "%s: %u bytes as hex are expected", field->name, field->sz);
    at[i] = (uint8_t)byte;
  }
  return true;
}

static bool accept_null(reader_t *r)
{
  skip_space(r);
  if (r->end - r->at < 4 || memcmp(r->at, "null", 4) != 0)
    return false;
  r->at += 4;
  return true;
}

static void put_default(const wcx_sbe_field_t *field, uint8_t *block)
{
  uint64_t value = field->kind == WCX_SBE_I64 ? (uint64_t)WCX_I64_NULL : WCX_U64_NULL;
  if (field->optional)
    memcpy(block + field->off, &value, field->sz);
  else
    memset(block + field->off, field->kind == WCX_SBE_CHAR ? ' ' : 0, field->sz);
}

static bool read_value(reader_t *r, const wcx_sbe_field_t *field, uint8_t *block)
{
  uint8_t *at = block + field->off;
  if (accept_null(r))
  {
    if (!field->optional)
      return bad(r, "%s cannot be null", field->name);
    put_default(field, block);
    return true;
  }
  uint64_t value;
  uint64_t max = field->sz >= 8 ? UINT64_MAX : (UINT64_C(1) << (field->sz * 8u)) - 1;
  bool ok;
  switch (field->kind)
  {
  case WCX_SBE_CHAR:
    return read_chars(r, field, at);
  case WCX_SBE_BYTES:
    return read_bytes(r, field, at);
  case WCX_SBE_ENUM:
    ok = read_choice(r, field, max, &value);
    break;
  case WCX_SBE_SET:
    ok = read_set(r, field, &value);
    break;
  case WCX_SBE_I8:
  case WCX_SBE_I64:
    ok = read_signed(r, max >> 1, &value, field->name);
    break;
  default:
    ok = read_unsigned(r, max, &value, field->name);
    break;
  }
  if (ok)
    memcpy(at, &value, field->sz);
  return ok;
}

static const wcx_sbe_field_t *find_field(const wcx_sbe_field_t *fields, uint32_t field_cnt, const char *name, uint32_t *idx)
{
  for (*idx = 0; *idx < field_cnt; (*idx)++)
    if (fields[*idx].kind != WCX_SBE_PAD && strcmp(fields[*idx].name, name) == 0)
      return &fields[*idx];
  return NULL;
}

/* One object with the fields of a block: {"Name":value,...}. Members that are no fields go to `other` when there is one. */
typedef bool other_member_t(reader_t *r, target_t *t, const char *name, bool *known);

static bool read_fields(reader_t *r, target_t *t, const char *owner, const wcx_sbe_field_t *fields, uint32_t field_cnt, uint8_t *block, bool *present, other_member_t *other)
{
  if (!expect(r, '{', "before fields"))
    return false;
  if (accept(r, '}'))
    return true;
  do
  {
    char name[NAME_MAX_SZ + 1];
    uint32_t idx;
    if (!read_name(r, name, "as the name of a field") || !expect(r, ':', "after the name of a field"))
      return false;
    const wcx_sbe_field_t *field = find_field(fields, field_cnt, name, &idx);
    bool known = field != NULL;
    if (field != NULL && present[idx])
      return bad(r, "%s is given twice", name);
    if (field != NULL ? !read_value(r, field, block) : other != NULL && !other(r, t, name, &known))
      return false;
    if (!known)
      return bad(r, "%s has no field %s", owner, name);
    if (field != NULL)
      present[idx] = true;
  } while (accept(r, ','));
  return expect(r, '}', "after fields");
}

static_assert(WCX_RECORD_BODY_SZ_MAX / 32 <= WCX_JSON_GROUP_MAX, "no entry of a group is shorter than 32 bytes");
static bool read_group(reader_t *r, target_t *t)
{
  const wcx_sbe_msg_t *msg = t->msg;
  wcx_group_size_t group = {.block_length = msg->group_block_length, .num_in_group = 0};
  uint32_t at = msg->block_length + (uint32_t)sizeof(group);
  if (*t->body_sz > at)
    return bad(r, "%s is given twice", msg->group_name);
  if (!expect(r, '[', "before a group"))
    return false;
  bool more = !accept(r, ']');
  while (more)
  {
    if (at + msg->group_block_length > WCX_RECORD_BODY_SZ_MAX)
      return bad(r, "%s: more than %u entries do not fit a message", msg->group_name, group.num_in_group);
    bool present[WCX_JSON_FIELDS_MAX] = {false};
    memset(t->body + at, 0, msg->group_block_length);
    for (uint32_t i = 0; i < msg->group_field_cnt; i++)
      put_default(&msg->group_fields[i], t->body + at);
    if (!read_fields(r, t, msg->group_name, msg->group_fields, msg->group_field_cnt, t->body + at, present, NULL))
      return false;
    for (uint32_t i = 0; i < msg->group_field_cnt; i++)
      t->extra->group_present[group.num_in_group] |= (uint32_t)present[i] << i;
    at += msg->group_block_length;
    group.num_in_group++;
    more = accept(r, ',');
    if (!more && !expect(r, ']', "after a group"))
      return false;
  }
  memcpy(t->body + msg->block_length, &group, sizeof(group));
  *t->body_sz = (uint16_t)at;
  return true;
}

static bool read_session_id(reader_t *r, wcx_json_extra_t *extra)
{
  uint64_t value;
  if (!read_unsigned(r, UINT32_MAX, &value, "SessionID"))
    return false;
  extra->has_session_id = true;
  extra->session_id = (uint32_t)value;
  return true;
}

/* What a message object may hold besides the message's own fields. */
static bool read_beside_fields(reader_t *r, target_t *t, const char *name, bool *known)
{
  *known = true;
  if (t->msg->group_name != NULL && strcmp(name, t->msg->group_name) == 0)
    return read_group(r, t);
  if (strcmp(name, "SessionID") == 0)
    return read_session_id(r, t->extra);
  if (strcmp(name, "TransactTime") == 0)
  {
    t->extra->has_transact_time = true;
    return read_unsigned(r, UINT64_MAX, &t->extra->transact_time, name);
  }
  *known = false;
  return true;
}

static bool read_message(reader_t *r, target_t *t, const wcx_sbe_msg_t **out)
{
  const wcx_sbe_msg_t *msg = t->msg;
  memset(t->body, 0, msg->block_length);
  for (uint32_t i = 0; i < msg->field_cnt; i++)
    if (msg->fields[i].kind != WCX_SBE_PAD)
      put_default(&msg->fields[i], t->body);
  *t->body_sz = msg->block_length;
  if (msg->group_name != NULL)
  {
    wcx_group_size_t group = {.block_length = msg->group_block_length, .num_in_group = 0};
    memcpy(t->body + msg->block_length, &group, sizeof(group));
    *t->body_sz = (uint16_t)(msg->block_length + sizeof(group));
  }
  if (!read_fields(r, t, msg->name, msg->fields, msg->field_cnt, t->body, t->present, read_beside_fields))
    return false;
  *out = msg;
  return true;
}

static bool read_book(reader_t *r, wcx_json_extra_t *extra)
{
  static const wcx_sbe_field_t fields[] = {{"SecurityID", NULL, 48, 0, 4, WCX_SBE_U32, 0}};
  bool present[WCX_JSON_FIELDS_MAX] = {false};
  uint32_t security_id = 1;
  if (!read_fields(r, NULL, "Book", fields, 1, (uint8_t *)&security_id, present, NULL))
    return false;
  extra->book = true;
  extra->book_security_id = security_id;
  return true;
}

static bool read_balances(reader_t *r, wcx_json_extra_t *extra)
{
  static const wcx_sbe_field_t fields[] = {{"Account", NULL, 1, 0, 4, WCX_SBE_U32, 0}};
  bool present[WCX_JSON_FIELDS_MAX] = {false};
  uint32_t account = 1;
  if (!read_fields(r, NULL, "Balances", fields, 1, (uint8_t *)&account, present, NULL))
    return false;
  extra->balances = true;
  extra->balances_account = account;
  return true;
}

static bool read_snapshot(reader_t *r, wcx_json_extra_t *extra)
{
  extra->snapshot = true;
  return expect(r, '{', "after Snapshot") && expect(r, '}', "in Snapshot, which has no fields");
}

/* The line asks for something and is no message. */
static bool is_query(const wcx_json_extra_t *extra)
{
  return extra->book || extra->balances || extra->snapshot;
}

/* A member of the line: the message itself, or what a journal dump writes beside it. */
static bool read_line_member(reader_t *r, target_t *t, const wcx_sbe_msg_t **out)
{
  static const char *const beside[] = {"Seq", "Shard", "Epoch", "ClientSeq"};
  char name[NAME_MAX_SZ + 1];
  if (!read_name(r, name, "as the name of a message") || !expect(r, ':', "after the name of a message"))
    return false;
  if (strcmp(name, "SessionID") == 0)
    return read_session_id(r, t->extra);
  if (strcmp(name, "Stamp") == 0)
  {
    t->extra->has_transact_time = true;
    return read_unsigned(r, UINT64_MAX, &t->extra->transact_time, name);
  }
  for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++)
  {
    uint64_t ignored;
    if (strcmp(name, beside[i]) == 0)
      return read_unsigned(r, UINT64_MAX, &ignored, name);
  }
  if (*out != NULL || is_query(t->extra))
    return bad(r, "one line holds one message; %s is a second", name);
  if (strcmp(name, "Book") == 0)
    return read_book(r, t->extra);
  if (strcmp(name, "Balances") == 0)
    return read_balances(r, t->extra);
  if (strcmp(name, "Snapshot") == 0)
    return read_snapshot(r, t->extra);
  t->msg = wcx_sbe_find_name(name);
  if (t->msg == NULL)
    return bad(r, "%s is not a message of the schema", name);
  return read_message(r, t, out);
}

static bool read_line(reader_t *r, target_t *t, const wcx_sbe_msg_t **out)
{
  if (!expect(r, '{', "at the start of the line"))
    return false;
  do
    if (!read_line_member(r, t, out))
      return false;
  while (accept(r, ','));
  if (!expect(r, '}', "at the end of the line"))
    return false;
  skip_space(r);
  if (r->at != r->end)
    return bad(r, "the line goes on after its object");
  return *out != NULL || is_query(t->extra) || bad(r, "the line names no message");
}

const char *wcx_json_parse(const char *line, size_t len, const wcx_sbe_msg_t **msg, void *body, uint16_t *body_sz, bool present[WCX_JSON_FIELDS_MAX], wcx_json_extra_t *extra,
                           char *err_buf, size_t err_sz)
{
  reader_t r = {.at = line, .end = line + len, .err = err_buf, .err_sz = err_sz};
  target_t t = {.body = body, .body_sz = body_sz, .present = present, .extra = extra};
  *msg = NULL;
  *body_sz = 0;
  *extra = (wcx_json_extra_t){0};
  memset(present, 0, WCX_JSON_FIELDS_MAX * sizeof(present[0]));
  return read_line(&r, &t, msg) ? NULL : err_buf;
}
