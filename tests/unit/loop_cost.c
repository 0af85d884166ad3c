/* Orders through whole turns of the loop on the simulated port, at D0: for counting instructions, of one commit beside another. No test.

     valgrind --tool=callgrind --toggle-collect=wcx_loop_step build/tests/unit/loop_cost ORDERS PER_TURN     what the start takes falls out of the difference of two ORDERS */
#include "tests/unit/loop_fixture.h"

static void without_journal(wcx_params_t *params)
{
  params->durability = WCX_DURABILITY_LEVEL_D0_NONE;
}

int main(int argc, char **argv)
{
  static world_t w;
  uint32_t orders = argc > 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
  uint32_t per_turn = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
  if (per_turn == 0)
    return 2;
  world_new(&w, without_journal);
  client_t client = client_of(1);
  client_sign_on(&w, &client);
  world_pass(&w, 300000000); /* until requests are followed */
  for (uint32_t i = 0; i < orders; i += per_turn)
  {
    for (uint32_t k = 0; k < per_turn; k++)
    {
      client_send_order(&w, &client, 1, (i / per_turn + k) % 2 != 0 ? WCX_SIDE_BUY : WCX_SIDE_SELL, 100, 5, WCX_TIME_IN_FORCE_GTC);
    }
    world_turn(&w);
    world_drain(&w);
  }
  world_close(&w);
  return 0;
}
