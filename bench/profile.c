#include "bench/profile.h"

#include "bench/model.h"
#include "engine/base/check.h"

#define OPS_MAX UINT64_C(100000000)
#define MID_START 1000000
#define MID_RANGE 4000 /* the walk turns back here */
#define QTY_MAX 100
#define IOC_REACH 1 /* increments an IOC reaches past the best of the other side */

typedef struct profile
{
  char name;
  uint32_t live;        /* orders to keep live */
  uint32_t span;        /* increments from the mid */
  uint32_t moves;       /* of 10,000 records */
  uint32_t iocs;        /* of 10,000 records */
  uint32_t walk_period; /* records per step of the mid, 0: fixed */
  bool near;            /* prices lie near the mid */
} profile_t;

static const profile_t profiles[] = {
    {.name = 'a', .live = 3000, .span = 64, .iocs = 250, .walk_period = 64, .near = true},
    {.name = 'b', .live = 1000, .span = 64, .moves = 8200, .iocs = 600, .walk_period = 64, .near = true},
    {.name = 'c', .live = 1000000, .span = 50000, .iocs = 50},
};

typedef struct maker
{
  const profile_t *profile;
  wcx_model_t *model;
  uint64_t random;
  uint64_t id;
  int64_t mid;
} maker_t;

static uint64_t next_random(maker_t *maker)
{
  uint64_t x = maker->random;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  maker->random = x;
  return x * UINT64_C(0x2545F4914F6CDD1D);
}

static uint32_t draw(maker_t *maker, uint32_t below)
{
  return (uint32_t)(((next_random(maker) >> 32) * below) >> 32);
}

static uint64_t seeded(uint64_t seed)
{
  uint64_t x = seed + UINT64_C(0x9E3779B97F4A7C15);
  x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
  x ^= x >> 31;
  return x != 0 ? x : 1;
}

/* The price of an IOC: into the other side, or at the mid when that is empty. */
static int64_t taking_px(const maker_t *maker, uint8_t side)
{
  const wcx_model_t *model = maker->model;
  int64_t best = model->best[1 - side];
  if (best < model->px_min || best > model->px_max)
    return maker->mid;
  int64_t px = side == 0 ? best + IOC_REACH : best - IOC_REACH;
  return px < model->px_min || px > model->px_max ? best : px;
}

/* A price on the passive side of the mid. */
static int64_t passive_px(maker_t *maker, uint8_t side)
{
  uint32_t away = draw(maker, maker->profile->span);
  if (maker->profile->near)
  {
    uint32_t other = draw(maker, maker->profile->span);
    away = other < away ? other : away;
  }
  return side == 0 ? maker->mid - 1 - away : maker->mid + 1 + away;
}

static wcx_flow_record_t make_new(maker_t *maker, bool ioc)
{
  uint8_t side = (uint8_t)draw(maker, 2);
  wcx_flow_record_t record = {.op = WCX_FLOW_NEW,
                              .side = side,
                              .flags = ioc ? WCX_FLOW_F_IOC : 0,
                              .qty = 1 + draw(maker, QTY_MAX),
                              .id = ++maker->id,
                              .px = ioc ? taking_px(maker, side) : passive_px(maker, side),
                              .aux = 1 + draw(maker, WCX_FLOW_OWNER_MAX)};
  return record;
}

static wcx_flow_record_t make_cancel(maker_t *maker)
{
  uint64_t id = maker->model->live[draw(maker, (uint32_t)maker->model->live_cnt)];
  const wcx_model_order_t *order = &maker->model->orders[id];
  return (wcx_flow_record_t){.op = WCX_FLOW_CANCEL, .side = order->side, .qty = order->qty, .id = id, .px = order->px, .aux = (uint64_t)order->px << 32 | 1};
}

static wcx_flow_record_t make_move(maker_t *maker)
{
  wcx_flow_record_t record = make_cancel(maker);
  int64_t old_px = record.px;
  record.op = WCX_FLOW_MOVE;
  while (record.px == old_px)
    record.px = passive_px(maker, record.side);
  return record;
}

static wcx_flow_record_t make_record(maker_t *maker)
{
  uint64_t live = maker->model->live_cnt;
  uint32_t kind = draw(maker, 10000);
  if (live != 0 && kind < maker->profile->moves)
    return make_move(maker);
  if (kind >= 10000 - maker->profile->iocs)
    return make_new(maker, true);
  uint32_t slack = maker->profile->live / 20;
  bool add = live + slack < maker->profile->live || (live <= maker->profile->live + slack && draw(maker, 2) != 0);
  return add || live == 0 ? make_new(maker, false) : make_cancel(maker);
}

static void walk(maker_t *maker, uint64_t at)
{
  if (maker->profile->walk_period == 0 || at % maker->profile->walk_period != 0)
    return;
  int64_t step = draw(maker, 2) != 0 ? 1 : -1;
  int64_t away = maker->mid + step - MID_START;
  maker->mid += away > MID_RANGE || away < -MID_RANGE ? -step : step;
}

int wcx_profile_generate(wcx_flow_t *flow, uint64_t *setup_cnt, char name, uint64_t ops, uint64_t seed)
{
  const profile_t *profile = NULL;
  for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
    if (profiles[i].name == name)
      profile = &profiles[i];
  if (profile == NULL || ops < 1 || ops > OPS_MAX)
    return -1;
  *setup_cnt = profile->live;
  *flow = (wcx_flow_t){.cnt = profile->live + ops};
  flow->records = malloc(flow->cnt * sizeof(*flow->records));
  if (flow->records == NULL)
    WCX_DIE("no memory for %llu records: ask for fewer --ops", (unsigned long long)flow->cnt);
  int64_t reach = (int64_t)profile->span + MID_RANGE + 1 + IOC_REACH;
  maker_t maker = {.profile = profile, .model = wcx_model_new(MID_START - reach, MID_START + reach, flow->cnt), .random = seeded(seed), .mid = MID_START};
  for (uint64_t i = 0; i < flow->cnt; i++)
  {
    bool filling = i < profile->live;
    if (!filling)
      walk(&maker, i);
    flow->records[i] = filling ? make_new(&maker, false) : make_record(&maker);
    wcx_model_apply(maker.model, &flow->records[i]);
  }
  wcx_model_free(maker.model);
  char error[256];
  WCX_CHECK(wcx_flow_survey(flow, error, sizeof(error)) == 0, "profile %c: %s", name, error);
  return 0;
}
