/* The one JSON form of messages: a line {"<Message>":{"<Field>":value,...}} with the schema's names. libc only.

   Owner:    any thread; no state. Tools and set-up only, never in the loop.
   Form:     integers as integers, enums by name (a value outside the enum as an integer), sets as arrays of names, null for SBE null, char as trimmed string,
             bytes as hex, padding left out; a repeating group as an array of objects under its name. Bytes that are no message of the schema are shown as
             "Unknown":{"TemplateID":n,"Bytes":"hex"}.
   Result:   writers return the number of bytes written, without the NUL they add, or -1 when it does not fit; parsers return NULL or a text
             that names what is wrong (static or in err_buf).
   Pinned by: tests/unit/test_json.c. */
#ifndef WCX_ENGINE_JSON_H
#define WCX_ENGINE_JSON_H

#include "engine/sbe_meta.h"
#include "engine/shm/record.h"

/* `"NewOrderSingle":{...}`, without outer braces; `block` is the root block and, after it, the group if the message has one; sz its bytes. */
int wcx_json_member(char *buf, size_t buf_sz, uint16_t template_id, const void *block, size_t sz);

/* {"NewOrderSingle":{...}} from a message as on the wire (8-byte SBE header, block, group). */
int wcx_json_message(char *buf, size_t buf_sz, const void *message, size_t sz);

/* A line of the journal dump: {"Seq":9,"Shard":1,"Epoch":1,"Stamp":..,"SessionID":6,"ClientSeq":3,"NewOrderSingle":{...}} */
int wcx_json_record(char *buf, size_t buf_sz, uint64_t epoch, const wcx_record_hdr_t *hdr, const void *body);

#define WCX_JSON_GROUP_MAX 48u /* entries of any group that fits a body */

/* Parse one line into a body. On success *msg names the message and `body` (WCX_RECORD_BODY_SZ_MAX bytes) holds block and group, *body_sz its bytes;
   omitted optional fields are null, other omitted fields 0, and present[i] tells which of msg->fields were given.
   Char fields are padded with spaces. SessionID and TransactTime, where the message has no such field, are returned in *extra; so are SessionID and Stamp
   of a journal dump line, whose other header members are read over. "Book", "Balances" and "Snapshot" lines: *msg NULL and extra->book,
   extra->balances or extra->snapshot set. */
typedef struct wcx_json_extra
{
  bool has_session_id;
  uint32_t session_id;
  bool has_transact_time; /* only when the message itself has no TransactTime field */
  uint64_t transact_time;
  bool book;
  uint32_t group_present[WCX_JSON_GROUP_MAX]; /* by entry of the repeating group: bit i tells that msg->group_fields[i] was given */
  uint32_t book_security_id;
  bool balances;
  uint32_t balances_account;
  bool snapshot;
} wcx_json_extra_t;

#define WCX_JSON_FIELDS_MAX 40u
const char *wcx_json_parse(const char *line, size_t len, const wcx_sbe_msg_t **msg, void *body, uint16_t *body_sz, bool present[WCX_JSON_FIELDS_MAX], wcx_json_extra_t *extra,
                           char *err_buf, size_t err_sz);

#endif
