#include "dataplane/pressure.h"

static enum wcx_pressure_rung rung_of(uint64_t used, uint64_t cap)
{
  if (used > cap)
    return WCX_PRESSURE_FULL;
  if (used * 10 >= cap * 9)
    return WCX_PRESSURE_CANCELS;
  return used * 4 >= cap * 3 ? WCX_PRESSURE_RISK : WCX_PRESSURE_CLEAR;
}

static enum wcx_pressure_rung ring_rung(wcx_input_t *input)
{
  uint32_t slot_max = input->ring.ring->slot_max;
  return rung_of(slot_max - wcx_jring_room(&input->ring, input->release_seq), slot_max - WCX_JRING_RECORD_SLOTS_MAX);
}

static enum wcx_pressure_rung log_rung(const wcx_input_t *input)
{
  const wcx_outlog_t *log = input->log;
  return rung_of(log->write_pos - log->sent_pos, log->cap - WCX_INPUT_LOG_RESERVE);
}

/* Once a turn: the journal worker writes the line this stands in with every block. */
static bool disk_low(wcx_pressure_t *pressure, const wcx_input_t *input, uint64_t mono_ns)
{
  if (pressure->disk_ns != mono_ns)
  {
    pressure->disk_ns = mono_ns;
    pressure->disk_low = atomic_load_explicit(&input->shm->journal.segments_free, memory_order_relaxed) < WCX_PRESSURE_SEGMENTS_MIN;
  }
  return pressure->disk_low;
}

enum wcx_pressure_rung wcx_pressure_rung(wcx_pressure_t *pressure, wcx_input_t *input, uint64_t mono_ns)
{
  enum wcx_pressure_rung log = log_rung(input);
  if (!input->journaled)
    return log;
  enum wcx_pressure_rung ring = ring_rung(input);
  enum wcx_pressure_rung fullest = ring > log ? ring : log;
  return fullest < WCX_PRESSURE_CANCELS && disk_low(pressure, input, mono_ns) ? WCX_PRESSURE_CANCELS : fullest;
}

enum wcx_pressure_verdict wcx_pressure_judge(wcx_pressure_t *pressure, wcx_input_t *input, enum wcx_throttle_class class, uint64_t mono_ns)
{
  enum wcx_pressure_rung rung = wcx_pressure_rung(pressure, input, mono_ns);
  if (rung == WCX_PRESSURE_CLEAR)
    return WCX_PRESSURE_ADMIT;
  if (rung == WCX_PRESSURE_FULL)
    return WCX_PRESSURE_WAIT;
  if (class == WCX_THROTTLE_CANCEL || (rung == WCX_PRESSURE_RISK && class == WCX_THROTTLE_OTHER))
    return WCX_PRESSURE_ADMIT;
  return WCX_PRESSURE_REFUSE;
}
