/* SBE bodies and their JSON form: any bytes can be judged and shown; what is shown can be read back and shows the same again; any text can be read.

   Input: one byte of choice, then either a template id (uint16 LE) and a body, or a line of text. */
#include "engine/json.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static char text[1 << 16];
static char again[1 << 16];
static uint8_t body[WCX_RECORD_BODY_SZ_MAX];

/* Reads a line; a body that is accepted must show itself without trouble. Returns the size of what it shows, 0 when there is none. */
static int read_line(const char *line, size_t len, char *shown, size_t shown_sz)
{
  const wcx_sbe_msg_t *msg = NULL;
  uint16_t body_sz = 0;
  bool present[WCX_JSON_FIELDS_MAX];
  wcx_json_extra_t extra;
  char err[256];
  memset(body, 0x5a, sizeof(body));
  const char *problem = wcx_json_parse(line, len, &msg, body, &body_sz, present, &extra, err, sizeof(err));
  if (problem != NULL)
  {
    WCX_CHECK(problem[0] != 0, "refused without a reason");
    return 0;
  }
  if (msg == NULL)
    return 0; /* "Book", "Balances" or "Snapshot" */
  WCX_CHECK(body_sz >= msg->block_length && body_sz <= sizeof(body), "a body of %u bytes of %s", body_sz, msg->name);
  shown[0] = '{';
  int sz = wcx_json_member(shown + 1, shown_sz - 3, msg->template_id, body, body_sz);
  WCX_CHECK(sz > 0, "%s was read and cannot be shown", msg->name);
  memcpy(shown + 1 + sz, "}", 2);
  return sz + 2;
}

static void check_text(const uint8_t *data, size_t sz)
{
  int first = read_line((const char *)data, sz, text, sizeof(text));
  if (first == 0)
    return;
  int second = read_line(text, (size_t)first, again, sizeof(again));
  WCX_CHECK(second == first && memcmp(text, again, (size_t)first) == 0, "shown as %s and then as %s", text, again);
}

static void check_body(const uint8_t *data, size_t sz)
{
  uint16_t template_id;
  if (sz < 2)
    return;
  memcpy(&template_id, data, 2);
  const wcx_sbe_msg_t *msg = wcx_sbe_find(template_id);
  const uint8_t *block = data + 2;
  size_t block_sz = sz - 2;
  if (msg != NULL && block_sz >= msg->block_length)
  {
    uint16_t tag = wcx_sbe_bad_field(msg, block);
    bool known = tag == 0;
    for (uint32_t i = 0; i < msg->field_cnt; i++)
      known = known || msg->fields[i].tag == tag;
    WCX_CHECK(known, "tag %u is no field of %s", tag, msg->name);
  }
  text[0] = '{';
  int shown = wcx_json_member(text + 1, sizeof(text) - 3, template_id, block, block_sz);
  WCX_CHECK(shown > 0, "%zu bytes of template %u cannot be shown", block_sz, template_id);
  memcpy(text + 1 + shown, "}", 2);
  int read = read_line(text, (size_t)shown + 2, again, sizeof(again));
  WCX_CHECK(read == 0 || (read == shown + 2 && memcmp(text, again, (size_t)read) == 0), "shown as %s and then as %s", text, again);
  for (size_t room = 0; room < 40 && room <= (size_t)shown; room++) /* a buffer that is too small is left alone behind its end */
  {
    char *small = malloc(room + 1);
    WCX_CHECK(wcx_json_member(small, room, template_id, block, block_sz) <= (int)room, "%zu bytes were enough", room);
    free(small);
  }
}

static void check_message(const uint8_t *data, size_t sz)
{
  int shown = wcx_json_message(text, sizeof(text), data, sz);
  WCX_CHECK(shown < (int)sizeof(text), "%d bytes of text", shown);
}

void wcx_fuzz_one(const uint8_t *data, size_t sz)
{
  if (sz == 0)
    return;
  if (data[0] % 3 == 0)
    check_body(data + 1, sz - 1);
  else if (data[0] % 3 == 1)
    check_text(data + 1, sz - 1);
  else
    check_message(data + 1, sz - 1);
}
