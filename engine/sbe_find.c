#include "engine/sbe_meta.h"

#include <string.h>

const wcx_sbe_msg_t *wcx_sbe_find(uint16_t template_id)
{
  uint32_t place = template_id <= WCX_SBE_TEMPLATE_MAX ? wcx_sbe_place[template_id] : 0;
  return place == 0 ? NULL : &wcx_sbe_msgs[place - 1];
}

const wcx_sbe_msg_t *wcx_sbe_find_name(const char *name)
{
  for (uint32_t i = 0; i < wcx_sbe_msg_cnt; i++)
    if (strcmp(wcx_sbe_msgs[i].name, name) == 0)
      return &wcx_sbe_msgs[i];
  return NULL;
}

uint16_t wcx_sbe_bad_field(const wcx_sbe_msg_t *msg, const void *block)
{
  const uint8_t *at = block;
  for (uint32_t i = 0; i < msg->field_cnt; i++)
  {
    const wcx_sbe_field_t *field = &msg->fields[i];
    if (field->kind != WCX_SBE_ENUM && field->kind != WCX_SBE_SET)
      continue;
    uint16_t value = at[field->off];
    if (field->sz == 2)
      value = (uint16_t)(value | at[field->off + 1] << 8);
    bool known = field->kind == WCX_SBE_SET ? (value & ~field->ref->valid[0]) == 0 : value < 256 && (field->ref->valid[value / 64] >> (value % 64) & 1) != 0;
    if (!known)
      return field->tag;
  }
  return 0;
}
