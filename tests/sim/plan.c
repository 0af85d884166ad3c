#include "tests/sim/plan.h"

static uint64_t draw(uint64_t *random) /* splitmix64 */
{
  uint64_t x = *random += UINT64_C(0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

static uint32_t below(uint64_t *random, uint32_t bound)
{
  return (uint32_t)(draw(random) % bound);
}

static uint32_t any_of(uint64_t *random, const uint32_t *values, uint32_t cnt)
{
  return values[below(random, cnt)];
}

#define ANY(...) any_of(&random, (const uint32_t[]){__VA_ARGS__}, (uint32_t)(sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)))

/* Most cycles are short: what breaks, breaks in the first moments after a start. Long ones cross segments and fill books. */
static uint32_t length_of(uint64_t *random)
{
  uint32_t of_200 = below(random, 200);
  return of_200 < 150 ? 50 : of_200 < 190 ? 150 : of_200 < 199 ? 600 : 4000;
}

wcx_plan_t wcx_plan_of(uint64_t seed)
{
  uint64_t random = seed * UINT64_C(0xd1342543de82ef95) + 7;
  wcx_plan_t plan = {.cycles = 1 + below(&random, 10), .kinds = below(&random, 2) == 0 ? 0x1e : 2 + 2 * below(&random, 15), .work_turns_max = length_of(&random)};
  if (plan.work_turns_max > 1000) /* what one seed says must fit the tables of the oracle */
    plan.cycles = 1 + plan.cycles % 4;
  plan.down_turns_max = ANY(1, 20, 20, 100);
  plan.inside_percent = ANY(0, 70, 90, 100);
  plan.again_percent = ANY(0, 0, 20, 50);
  plan.fail_percent = ANY(0, 0, 0, 25);
  plan.clients = ANY(1, 2, 2, 2);
  plan.burst_max = ANY(1, 4, 6, 16);
  plan.undecided_max = ANY(4, 16, 64);
  plan.cancel_percent = ANY(0, 10, 20, 40);
  plan.replace_percent = ANY(0, 10, 20);
  plan.wire_odds = ANY(0, 0, 500, 2000, WCX_PLAN_ODDS_LATE);
  plan.disk_pace = ANY(8, 30, 30, 60, 100);
  plan.prepare_one_in = ANY(1, 4, 4, 16);
  plan.loop_of_8 = ANY(4, 6, 7);
  plan.journal_of_8 = ANY(3, 6, 7);
  plan.client_of_8 = ANY(3, 4, 6);
  plan.eager_lanes = 1 + below(&random, 4);
  plan.segments_ahead = ANY(1, 1, 2);
  plan.ring_slots = ANY(128, 128, 256, WCX_PLAN_RING_SLOTS_MAX);
  plan.cycle_ms = ANY(0, 1, 5);
  return plan;
}

void wcx_plan_print(const wcx_plan_t *plan, FILE *to)
{
  fprintf(to, "plan cycles %u kinds 0x%x work %u down %u inside %u again %u fail %u clients %u burst %u undecided %u cancel %u replace %u wire %u ", plan->cycles, plan->kinds,
          plan->work_turns_max, plan->down_turns_max, plan->inside_percent, plan->again_percent, plan->fail_percent, plan->clients, plan->burst_max, plan->undecided_max,
          plan->cancel_percent, plan->replace_percent, plan->wire_odds);
  fprintf(to, "pace %u prepare %u loop %u journal %u client %u eager %u ahead %u ring %u cycle_ms %u\n", plan->disk_pace, plan->prepare_one_in, plan->loop_of_8,
          plan->journal_of_8, plan->client_of_8, plan->eager_lanes, plan->segments_ahead, plan->ring_slots, plan->cycle_ms);
}
