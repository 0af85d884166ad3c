/* The simulated port: a wire in memory. Frames are copied, so that a use after send or free shows under the sanitizers. */
#include "dataplane/port_sim.h"
#include "engine/base/check.h"
#include "engine/base/env.h"

#include <stdlib.h>
#include <string.h>

#define WIRES_MAX 64u
#define POOL_FRAMES_MAX 1024u
#define LATE_MAX 64u   /* frames kept back each way; one more pushes another one out */
#define LATE_ODDS 2048 /* of 65536: that a frame brings a late one along */

typedef struct wire_frame
{
  uint32_t len;
  uint8_t data[WCX_FRAME_SZ_MAX];
} wire_frame_t;

typedef struct wire_queue
{
  wire_frame_t *frames;
  uint64_t head;
  uint64_t tail;
  uint32_t late_cnt;
  wire_frame_t late[LATE_MAX];
} wire_queue_t;

/* The faults of one way. */
typedef struct way
{
  uint32_t loss, dup, reorder, corrupt, late;
} way_t;

struct wcx_wire
{
  char name[64];
  wcx_port_t *port;
  wire_queue_t to_port;
  wire_queue_t from_port;
  wcx_wire_faults_t faults;
  uint64_t random;
  wcx_wire_counts_t counts;
  uint8_t *pool; /* frames of the port: kept for the next one */
};

struct wcx_port
{
  wcx_wire_t *wire;
  uint32_t free_cnt;
  uint8_t *free_frames[POOL_FRAMES_MAX];
};

static wcx_wire_t *wires[WIRES_MAX];

static void *must_calloc(size_t cnt, size_t sz)
{
  void *mem = calloc(cnt, sz);
  if (mem == NULL)
    WCX_DIE("simulated port: no memory for %zu bytes", cnt * sz);
  return mem;
}

wcx_wire_t *wcx_wire_get(const char *name)
{
  uint32_t free_idx = WIRES_MAX;
  for (uint32_t i = 0; i < WIRES_MAX; i++)
  {
    if (wires[i] == NULL)
      free_idx = i < free_idx ? i : free_idx;
    else if (strcmp(wires[i]->name, name) == 0)
      return wires[i];
  }
  WCX_CHECK(free_idx < WIRES_MAX, "more than %u wires", WIRES_MAX);
  WCX_CHECK(strlen(name) < sizeof(wires[0]->name), "name of a wire: %s", name);
  wcx_wire_t *wire = must_calloc(1, sizeof(*wire));
  memcpy(wire->name, name, strlen(name) + 1);
  wire->to_port.frames = must_calloc(WCX_WIRE_FRAMES_MAX, sizeof(wire_frame_t));
  wire->from_port.frames = must_calloc(WCX_WIRE_FRAMES_MAX, sizeof(wire_frame_t));
  wires[free_idx] = wire;
  return wire;
}

static void queue_clear(wire_queue_t *queue)
{
  queue->tail = queue->head;
  for (uint32_t i = 0; i < queue->late_cnt; i++)
    queue->late[i].len = 0;
  queue->late_cnt = 0;
}

void wcx_wire_drop(wcx_wire_t *wire)
{
  WCX_CHECK(wire->port == NULL, "wire %s still has a port", wire->name);
  for (uint32_t i = 0; i < WIRES_MAX; i++)
    if (wires[i] == wire)
      wires[i] = NULL;
  free(wire->to_port.frames);
  free(wire->from_port.frames);
  free(wire->pool);
  free(wire);
}

void wcx_wire_reset(wcx_wire_t *wire)
{
  WCX_CHECK(wire->port == NULL, "wire %s still has a port", wire->name);
  queue_clear(&wire->to_port);
  queue_clear(&wire->from_port);
  wire->faults = (wcx_wire_faults_t){0};
  wire->counts = (wcx_wire_counts_t){0};
  wire->random = 0;
}

static uint32_t wire_draw(wcx_wire_t *wire)
{
  wire->random ^= wire->random << 13;
  wire->random ^= wire->random >> 7;
  wire->random ^= wire->random << 17;
  return (uint32_t)(wire->random >> 32);
}

static bool wire_chance(wcx_wire_t *wire, uint32_t probability)
{
  return probability != 0 && (wire_draw(wire) & 0xffffu) < probability;
}

/* An empty queue begins at its first places again: those are in the cache. */
static void queue_rewind(wire_queue_t *queue)
{
  if (queue->tail == queue->head)
    queue->tail = queue->head = 0;
}

static bool queue_put(wire_queue_t *queue, const void *data, uint32_t len)
{
  if (queue->head - queue->tail >= WCX_WIRE_FRAMES_MAX)
    return false;
  wire_frame_t *frame = &queue->frames[queue->head++ % WCX_WIRE_FRAMES_MAX];
  frame->len = len;
  memcpy(frame->data, data, len);
  return true;
}

static void queue_swap_last(wire_queue_t *queue)
{
  if (queue->head - queue->tail < 2)
    return;
  wire_frame_t *last = &queue->frames[(queue->head - 1) % WCX_WIRE_FRAMES_MAX];
  wire_frame_t *before = &queue->frames[(queue->head - 2) % WCX_WIRE_FRAMES_MAX];
  wire_frame_t copy = *last;
  *last = *before;
  *before = copy;
}

/* Keep this frame back; when the place it gets is taken, the frame there goes on now. */
static bool queue_keep(wcx_wire_t *wire, wire_queue_t *queue, const void *data, uint32_t len)
{
  uint32_t at = queue->late_cnt < LATE_MAX ? queue->late_cnt++ : wire_draw(wire) % LATE_MAX;
  wire_frame_t *frame = &queue->late[at];
  bool room = frame->len == 0 || queue_put(queue, frame->data, frame->len);
  frame->len = len;
  memcpy(frame->data, data, len);
  wire->counts.late++;
  return room;
}

static void queue_bring_late(wcx_wire_t *wire, wire_queue_t *queue)
{
  if (queue->late_cnt == 0 || !wire_chance(wire, LATE_ODDS))
    return;
  uint32_t at = wire_draw(wire) % queue->late_cnt;
  (void)queue_put(queue, queue->late[at].data, queue->late[at].len);
  queue->late[at] = queue->late[--queue->late_cnt];
  queue->late[queue->late_cnt].len = 0;
}

/* A frame enters the wire and meets its faults. False when it was lost. */
static bool wire_carry(wcx_wire_t *wire, wire_queue_t *queue, const way_t *way, const void *data, uint32_t len)
{
  if (wire_chance(wire, way->loss))
    return false;
  if (way->late != 0)
    queue_bring_late(wire, queue);
  if (wire_chance(wire, way->late))
    return queue_keep(wire, queue, data, len);
  if (!queue_put(queue, data, len))
    return false;
  if (wire_chance(wire, way->corrupt))
  {
    uint32_t bit = wire_draw(wire) % (len * 8);
    queue->frames[(queue->head - 1) % WCX_WIRE_FRAMES_MAX].data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    wire->counts.corrupted++;
  }
  if (wire_chance(wire, way->dup))
    wire->counts.duplicated += queue_put(queue, data, len);
  if (wire_chance(wire, way->reorder))
  {
    queue_swap_last(queue);
    wire->counts.reordered++;
  }
  return true;
}

bool wcx_wire_send(wcx_wire_t *wire, const void *data, uint32_t len)
{
  WCX_CHECK(len > 0 && len <= WCX_FRAME_SZ_MAX, "frame of %u bytes", len);
  const wcx_wire_faults_t *f = &wire->faults;
  way_t way = {.loss = f->to_port_loss, .dup = f->to_port_dup, .reorder = f->to_port_reorder, .corrupt = f->to_port_corrupt, .late = f->to_port_late};
  wire->counts.to_port++;
  bool carried = wire->port != NULL && wire_carry(wire, &wire->to_port, &way, data, len);
  wire->counts.to_port_lost += !carried;
  return carried;
}

uint32_t wcx_wire_recv(wcx_wire_t *wire, void *data)
{
  if (wire->from_port.head == wire->from_port.tail)
    return 0;
  wire_frame_t *frame = &wire->from_port.frames[wire->from_port.tail++ % WCX_WIRE_FRAMES_MAX];
  memcpy(data, frame->data, frame->len);
  queue_rewind(&wire->from_port);
  return frame->len;
}

uint32_t wcx_wire_pending(const wcx_wire_t *wire)
{
  return (uint32_t)(wire->from_port.head - wire->from_port.tail);
}

void wcx_wire_set_faults(wcx_wire_t *wire, const wcx_wire_faults_t *faults)
{
  wire->faults = *faults;
  wire->random = faults->seed | 1;
}

wcx_wire_counts_t wcx_wire_counts(const wcx_wire_t *wire)
{
  return wire->counts;
}

wcx_port_t *wcx_port_open(uint32_t kind, const char *device, uint32_t lcore, bool hugepages)
{
  (void)kind;
  (void)lcore;
  (void)hugepages;
  wcx_wire_t *wire = wcx_wire_get(device);
  WCX_CHECK(wire->port == NULL, "wire %s already has a port", device);
  wcx_port_t *port = must_calloc(1, sizeof(*port));
  port->wire = wire;
  if (wire->pool == NULL)
    wire->pool = must_calloc(POOL_FRAMES_MAX, WCX_FRAME_SZ_MAX);
  for (uint32_t i = 0; i < POOL_FRAMES_MAX; i++)
    port->free_frames[port->free_cnt++] = wire->pool + (size_t)i * WCX_FRAME_SZ_MAX;
  wire->port = port;
  return port;
}

void wcx_port_close(wcx_port_t *port)
{
  port->wire->port = NULL;
  queue_clear(&port->wire->to_port);
  free(port);
}

void wcx_port_mac(const wcx_port_t *port, uint8_t mac[6])
{
  (void)port;
  static const uint8_t ours[6] = {0x02, 0x77, 0x63, 0x78, 0x00, 0x01};
  memcpy(mac, ours, sizeof(ours));
}

void wcx_port_run(wcx_port_t *port, void (*fn)(void *arg), void *arg)
{
  (void)port;
  fn(arg);
}

uint32_t wcx_port_rx(wcx_port_t *port, wcx_frame_t *frames, uint32_t max)
{
  wire_queue_t *queue = &port->wire->to_port;
  uint32_t cnt = 0;
  for (; cnt < max && queue->tail != queue->head && port->free_cnt > 0; cnt++)
  {
    wire_frame_t *from = &queue->frames[queue->tail++ % WCX_WIRE_FRAMES_MAX];
    uint8_t *data = port->free_frames[--port->free_cnt];
    memcpy(data, from->data, from->len);
    frames[cnt] = (wcx_frame_t){.data = data, .len = from->len, .handle = data};
  }
  queue_rewind(queue);
  if (cnt > 0)
    wcx_env_crash_point("port.rx");
  return cnt;
}

bool wcx_port_alloc(wcx_port_t *port, wcx_frame_t *frame)
{
  if (port->free_cnt == 0 || port->wire->faults.alloc_fail)
    return false;
  uint8_t *data = port->free_frames[--port->free_cnt];
  *frame = (wcx_frame_t){.data = data, .handle = data};
  return true;
}

void wcx_port_free(wcx_port_t *port, wcx_frame_t *frame)
{
  WCX_CHECK(port->free_cnt < POOL_FRAMES_MAX, "a frame freed twice");
  memset(frame->handle, 0xdd, WCX_FRAME_SZ_MAX);
  port->free_frames[port->free_cnt++] = frame->handle;
  frame->data = NULL;
}

uint32_t wcx_port_tx(wcx_port_t *port, wcx_frame_t *frames, uint32_t cnt)
{
  wcx_wire_t *wire = port->wire;
  if (wire->faults.tx_room != 0 && cnt > wire->faults.tx_room)
    cnt = wire->faults.tx_room;
  const wcx_wire_faults_t *f = &wire->faults;
  way_t way = {.loss = f->from_port_loss, .dup = f->from_port_dup, .reorder = f->from_port_reorder, .corrupt = f->from_port_corrupt, .late = f->from_port_late};
  for (uint32_t i = 0; i < cnt; i++)
  {
    WCX_CHECK(frames[i].len >= 14 && frames[i].len <= WCX_FRAME_SZ_MAX, "frame of %u bytes sent", frames[i].len);
    wcx_env_crash_point("port.tx");
    wire->counts.from_port++;
    wire->counts.from_port_lost += !wire_carry(wire, &wire->from_port, &way, frames[i].data, frames[i].len);
    wcx_port_free(port, &frames[i]);
  }
  return cnt;
}
