#include "engine/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What has been written so far; once something did not fit, nothing more is written. */
typedef struct text
{
  char *buf;
  size_t cap;
  size_t len;
  bool full;
} text_t;

__attribute__((format(printf, 2, 3))) static void put(text_t *text, const char *fmt, ...)
{
  if (text->full)
    return;
  va_list args;
  va_start(args, fmt);
  int len = vsnprintf(text->buf + text->len, text->cap - text->len, fmt, args);
  va_end(args);
  if (len < 0 || (size_t)len >= text->cap - text->len)
    text->full = true;
  else
    text->len += (size_t)len;
}

static int finish(const text_t *text)
{
  return text->full ? -1 : (int)text->len;
}

static uint64_t load(const uint8_t *at, uint16_t sz)
{
  uint64_t value = 0;
  memcpy(&value, at, sz);
  return value;
}

static void put_chars(text_t *text, const uint8_t *at, uint16_t sz)
{
  while (sz > 0 && (at[sz - 1] == ' ' || at[sz - 1] == 0))
    sz--;
  put(text, "\"");
  for (uint16_t i = 0; i < sz; i++)
  {
    if (at[i] == '"' || at[i] == '\\')
      put(text, "\\%c", at[i]);
    else if (at[i] < 0x20 || at[i] >= 0x7f)
      put(text, "\\u%04x", at[i]);
    else
      put(text, "%c", at[i]);
  }
  put(text, "\"");
}

static void put_hex(text_t *text, const uint8_t *at, size_t sz)
{
  put(text, "\"");
  for (size_t i = 0; i < sz; i++)
    put(text, "%02x", at[i]);
  put(text, "\"");
}

static const char *value_name(const wcx_sbe_enum_t *ref, uint64_t value)
{
  for (uint32_t i = 0; i < ref->value_cnt; i++)
    if (ref->values[i].value == value)
      return ref->values[i].name;
  return NULL;
}

static void put_set(text_t *text, const wcx_sbe_enum_t *ref, uint64_t bits)
{
  const char *comma = "";
  put(text, "[");
  for (unsigned bit = 0; bit < 64; bit++)
  {
    if ((bits >> bit & 1) == 0)
      continue;
    const char *name = value_name(ref, bit);
    if (name != NULL)
      put(text, "%s\"%s\"", comma, name);
    else
      put(text, "%s%u", comma, bit);
    comma = ",";
  }
  put(text, "]");
}

static void put_value(text_t *text, const wcx_sbe_field_t *field, const uint8_t *at)
{
  uint64_t value = field->sz <= 8 ? load(at, field->sz) : 0;
  switch (field->kind)
  {
  case WCX_SBE_U32:
  case WCX_SBE_U64:
    if (field->optional && value == (field->kind == WCX_SBE_U32 ? WCX_U32_NULL : WCX_U64_NULL))
    {
      put(text, "null");
      return;
    }
    put(text, "%llu", (unsigned long long)value);
    return;
  case WCX_SBE_I64:
    if (field->optional && (int64_t)value == WCX_I64_NULL)
      put(text, "null");
    else
      put(text, "%lld", (long long)value);
    return;
  case WCX_SBE_I8:
    put(text, "%d", (int)(int8_t)value);
    return;
  case WCX_SBE_CHAR:
    put_chars(text, at, field->sz);
    return;
  case WCX_SBE_BYTES:
    put_hex(text, at, field->sz);
    return;
  case WCX_SBE_ENUM:
    if (value_name(field->ref, value) != NULL)
    {
      put(text, "\"%s\"", value_name(field->ref, value));
      return;
    }
    break;
  case WCX_SBE_SET:
    put_set(text, field->ref, value);
    return;
  default:
    break;
  }
  put(text, "%llu", (unsigned long long)value);
}

/* Members of a block, without braces; returns whether there was any. */
static bool put_fields(text_t *text, const wcx_sbe_field_t *fields, uint32_t field_cnt, const uint8_t *block)
{
  bool any = false;
  for (uint32_t i = 0; i < field_cnt; i++)
  {
    if (fields[i].kind == WCX_SBE_PAD)
      continue;
    put(text, "%s\"%s\":", any ? "," : "", fields[i].name);
    put_value(text, &fields[i], block + fields[i].off);
    any = true;
  }
  return any;
}

/* The root block takes block_sz of the sz bytes; the group, if the message has one, follows. False when the bytes are not such a message. */
static bool put_message(text_t *text, const wcx_sbe_msg_t *msg, const uint8_t *block, size_t block_sz, size_t sz)
{
  if (block_sz < msg->block_length || sz < block_sz)
    return false;
  wcx_group_size_t group = {0};
  const uint8_t *entry = block + block_sz + sizeof(group);
  if (msg->group_name != NULL)
  {
    if (sz - block_sz < sizeof(group))
      return false;
    memcpy(&group, block + block_sz, sizeof(group));
    if (group.block_length < msg->group_block_length || (size_t)group.block_length * group.num_in_group > sz - block_sz - sizeof(group))
      return false;
  }
  put(text, "\"%s\":{", msg->name);
  bool any = put_fields(text, msg->fields, msg->field_cnt, block);
  if (msg->group_name != NULL)
  {
    put(text, "%s\"%s\":[", any ? "," : "", msg->group_name);
    for (uint32_t i = 0; i < group.num_in_group; i++, entry += group.block_length)
    {
      put(text, "%s{", i > 0 ? "," : "");
      put_fields(text, msg->group_fields, msg->group_field_cnt, entry);
      put(text, "}");
    }
    put(text, "]");
  }
  put(text, "}");
  return true;
}

static void put_unknown(text_t *text, uint16_t template_id, const void *bytes, size_t sz)
{
  put(text, "\"Unknown\":{\"TemplateID\":%u,\"Bytes\":", template_id);
  put_hex(text, bytes, sz);
  put(text, "}");
}

static void put_member(text_t *text, uint16_t template_id, const void *block, size_t sz)
{
  const wcx_sbe_msg_t *msg = wcx_sbe_find(template_id);
  if (msg == NULL || !put_message(text, msg, block, msg->block_length, sz))
    put_unknown(text, template_id, block, sz);
}

int wcx_json_member(char *buf, size_t buf_sz, uint16_t template_id, const void *block, size_t sz)
{
  text_t text = {.buf = buf, .cap = buf_sz, .full = buf_sz == 0};
  put_member(&text, template_id, block, sz);
  return finish(&text);
}

int wcx_json_message(char *buf, size_t buf_sz, const void *message, size_t sz)
{
  text_t text = {.buf = buf, .cap = buf_sz, .full = buf_sz == 0};
  wcx_message_header_t hdr = {0};
  memcpy(&hdr, message, sz < sizeof(hdr) ? sz : sizeof(hdr));
  const wcx_sbe_msg_t *msg = sz < sizeof(hdr) ? NULL : wcx_sbe_find(hdr.template_id);
  put(&text, "{");
  if (msg == NULL || msg->schema_id != hdr.schema_id || !put_message(&text, msg, (const uint8_t *)message + sizeof(hdr), hdr.block_length, sz - sizeof(hdr)))
    put_unknown(&text, hdr.template_id, message, sz);
  put(&text, "}");
  return finish(&text);
}

int wcx_json_record(char *buf, size_t buf_sz, uint64_t epoch, const wcx_record_hdr_t *hdr, const void *body)
{
  text_t text = {.buf = buf, .cap = buf_sz, .full = buf_sz == 0};
  put(&text, "{\"Seq\":%llu,\"Shard\":%u,\"Epoch\":%llu,\"Stamp\":%llu,\"SessionID\":%u,\"ClientSeq\":%llu,", (unsigned long long)hdr->seq, hdr->shard, (unsigned long long)epoch,
      (unsigned long long)hdr->stamp_ns, hdr->session_id, (unsigned long long)hdr->client_seq);
  put_member(&text, hdr->template_id, body, hdr->body_sz);
  put(&text, "}");
  return finish(&text);
}
