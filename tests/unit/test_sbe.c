/* engine/sbe_find.c over the generated tables: every message is found, every enum and set keeps foreign values out. */
#include "engine/sbe_meta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void finds_every_message_by_id_and_by_name(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < wcx_sbe_msg_cnt; i++)
  {
    assert_ptr_equal(wcx_sbe_find(wcx_sbe_msgs[i].template_id), &wcx_sbe_msgs[i]);
    assert_ptr_equal(wcx_sbe_find_name(wcx_sbe_msgs[i].name), &wcx_sbe_msgs[i]);
  }
}

static void finds_nothing_else(void **state)
{
  (void)state;
  uint32_t found = 0;
  for (uint32_t id = 0; id <= UINT16_MAX; id++)
    found += wcx_sbe_find((uint16_t)id) != NULL;
  assert_int_equal(found, wcx_sbe_msg_cnt);
  assert_null(wcx_sbe_find_name("NewOrder"));
  assert_null(wcx_sbe_find_name(""));
}

static void fields_lie_inside_their_block_and_do_not_overlap(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < wcx_sbe_msg_cnt; i++)
  {
    const wcx_sbe_msg_t *msg = &wcx_sbe_msgs[i];
    uint8_t used[256] = {0};
    assert_true(msg->block_length <= sizeof(used));
    assert_int_equal(msg->block_length % 8, 0);
    for (uint32_t f = 0; f < msg->field_cnt; f++)
      for (uint32_t byte = msg->fields[f].off; byte < (uint32_t)msg->fields[f].off + msg->fields[f].sz; byte++)
      {
        assert_true(byte < msg->block_length);
        assert_int_equal(used[byte]++, 0);
      }
    for (uint32_t byte = 0; byte < msg->block_length; byte++)
      assert_int_equal(used[byte], 1);
  }
}

static wcx_new_order_single_t sound_order(void)
{
  return (wcx_new_order_single_t){.side = WCX_SIDE_BUY, .ord_type = WCX_ORD_TYPE_LIMIT, .time_in_force = WCX_TIME_IN_FORCE_GTC};
}

static void names_the_tag_of_a_value_outside_its_enum(void **state)
{
  (void)state;
  const wcx_sbe_msg_t *msg = wcx_sbe_find(WCX_TEMPLATE_NEW_ORDER_SINGLE);
  wcx_new_order_single_t order = sound_order();
  assert_int_equal(wcx_sbe_bad_field(msg, &order), 0);
  order.side = 0;
  assert_int_equal(wcx_sbe_bad_field(msg, &order), 54);
  order.side = 3;
  assert_int_equal(wcx_sbe_bad_field(msg, &order), 54);
  order = sound_order();
  order.ord_type = 255;
  assert_int_equal(wcx_sbe_bad_field(msg, &order), 40);
  order = sound_order();
  order.time_in_force = 5;
  assert_int_equal(wcx_sbe_bad_field(msg, &order), 59);
  order = sound_order();
  order.self_match_prevention_inst = 5;
  assert_int_equal(wcx_sbe_bad_field(msg, &order), 2964);
}

static void names_the_tag_of_a_bit_outside_its_set(void **state)
{
  (void)state;
  const wcx_sbe_msg_t *msg = wcx_sbe_find(WCX_TEMPLATE_NEW_ORDER_SINGLE);
  const wcx_sbe_field_t *set = NULL;
  for (uint32_t i = 0; i < msg->field_cnt; i++)
    if (msg->fields[i].kind == WCX_SBE_SET)
      set = &msg->fields[i];
  assert_non_null(set);
  uint32_t outside = 0;
  for (unsigned bit = 0; bit < 16; bit++)
  {
    wcx_new_order_single_t order = sound_order();
    uint16_t value = (uint16_t)(1u << bit);
    memcpy((uint8_t *)&order + set->off, &value, sizeof(value));
    bool inside = false;
    for (uint32_t v = 0; v < set->ref->value_cnt; v++)
      inside |= set->ref->values[v].value == bit;
    assert_int_equal(wcx_sbe_bad_field(msg, &order), inside ? 0 : set->tag);
    outside += !inside;
  }
  assert_true(outside > 0);
}

/* Each enum byte of each message, each of its 256 values: accepted exactly when the table of names has it. */
static void accepts_exactly_the_named_values(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < wcx_sbe_msg_cnt; i++)
  {
    const wcx_sbe_msg_t *msg = &wcx_sbe_msgs[i];
    uint8_t block[256] = {0};
    for (uint32_t f = 0; f < msg->field_cnt; f++)
      if (msg->fields[f].kind == WCX_SBE_ENUM)
        memcpy(block + msg->fields[f].off, &msg->fields[f].ref->values[0].value, msg->fields[f].sz);
    assert_int_equal(wcx_sbe_bad_field(msg, block), 0);
    for (uint32_t f = 0; f < msg->field_cnt; f++)
    {
      const wcx_sbe_field_t *field = &msg->fields[f];
      if (field->kind != WCX_SBE_ENUM)
        continue;
      uint8_t keep = block[field->off];
      for (uint32_t value = 0; value < 256; value++)
      {
        block[field->off] = (uint8_t)value;
        bool named = false;
        for (uint32_t v = 0; v < field->ref->value_cnt; v++)
          named |= field->ref->values[v].value == value;
        assert_int_equal(wcx_sbe_bad_field(msg, block), named ? 0 : field->tag);
      }
      block[field->off] = keep;
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(finds_every_message_by_id_and_by_name),
      cmocka_unit_test(finds_nothing_else),
      cmocka_unit_test(fields_lie_inside_their_block_and_do_not_overlap),
      cmocka_unit_test(names_the_tag_of_a_value_outside_its_enum),
      cmocka_unit_test(names_the_tag_of_a_bit_outside_its_set),
      cmocka_unit_test(accepts_exactly_the_named_values),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
