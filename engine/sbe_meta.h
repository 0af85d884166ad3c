/* The schema as data: what every message, field and enum is called, where it lies and which values it may hold.

   Owner:      constant tables, any thread.
   Used by:    the JSON form (json.h), the data plane's field check, decoders in tests.
   Memory:     read-only; names are static strings.
   Pinned by:  tests/unit/test_sbe.c and tests/lint/schema.py (both compare with the XML). */
#ifndef WCX_ENGINE_SBE_META_H
#define WCX_ENGINE_SBE_META_H

#include "engine/sbe.h"

#include <stdbool.h>

enum wcx_sbe_kind
{
  WCX_SBE_U8 = 1,
  WCX_SBE_U16 = 2,
  WCX_SBE_U32 = 3,
  WCX_SBE_U64 = 4,
  WCX_SBE_I8 = 5,
  WCX_SBE_I64 = 6,
  WCX_SBE_CHAR = 7,  /* fixed length, padded with spaces or NUL */
  WCX_SBE_BYTES = 8, /* fixed length, shown as hex */
  WCX_SBE_ENUM = 9,  /* uint8 or uint16, see sz */
  WCX_SBE_SET = 10,  /* uint16 */
  WCX_SBE_PAD = 11,  /* padding or reserved: never shown */
};

typedef struct wcx_sbe_value
{
  const char *name;
  uint16_t value; /* of an enum; bit number of a set's choice */
} wcx_sbe_value_t;

typedef struct wcx_sbe_enum
{
  const char *name;
  const wcx_sbe_value_t *values;
  uint32_t value_cnt;
  uint64_t valid[4]; /* enum: bit v set when v < 256 is a value; set: valid[0] is the mask of choices */
} wcx_sbe_enum_t;

typedef struct wcx_sbe_field
{
  const char *name;
  const wcx_sbe_enum_t *ref; /* of ENUM and SET, else NULL */
  uint16_t tag;              /* FIX tag number, what RefTagID carries */
  uint16_t off;
  uint16_t sz;
  uint8_t kind;     /* enum wcx_sbe_kind */
  uint8_t optional; /* SBE null is a value: UINT64_MAX, UINT32_MAX, INT64_MIN */
} wcx_sbe_field_t;

typedef struct wcx_sbe_msg
{
  const char *name;
  const wcx_sbe_field_t *fields;
  uint32_t field_cnt;
  uint16_t template_id;
  uint16_t block_length;
  uint16_t schema_id;
  const char *group_name; /* NULL: no repeating group */
  const wcx_sbe_field_t *group_fields;
  uint32_t group_field_cnt;
  uint16_t group_block_length;
} wcx_sbe_msg_t;

extern const wcx_sbe_msg_t wcx_sbe_msgs[];
extern const uint32_t wcx_sbe_msg_cnt;
extern const uint8_t wcx_sbe_place[WCX_SBE_TEMPLATE_MAX + 1]; /* by template id: index in wcx_sbe_msgs + 1, or 0 */

/* The message of a template id, or NULL. O(1), no system call: may be used in the loop. */
const wcx_sbe_msg_t *wcx_sbe_find(uint16_t template_id);

/* The message of a name, or NULL. Linear: set-up and tools. */
const wcx_sbe_msg_t *wcx_sbe_find_name(const char *name);

/* The tag of the first field of `block` (at least block_length bytes, unaligned) whose enum value or set bit
   is outside the schema, or 0 when all are inside. Checks the root block only. O(fields): may be used in the loop. */
uint16_t wcx_sbe_bad_field(const wcx_sbe_msg_t *msg, const void *block);

#endif
