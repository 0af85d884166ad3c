#include "dataplane/trace.h"

#include "engine/base/env.h"
#include "engine/base/int128.h"

void wcx_trace_init(wcx_trace_t *trace, wcx_stages_t *stages)
{
  *trace = (wcx_trace_t){.stages = stages, .pick = WCX_TRACE_NO_FRAME, .learn_ns = WCX_TRACE_LEARN_NS};
}

static void learn(wcx_trace_t *trace, uint64_t mono_ns, uint64_t ticks)
{
  uint64_t ns = mono_ns - trace->base_ns;
  if (trace->base_ticks == 0)
  {
    trace->base_ticks = ticks;
    trace->base_ns = mono_ns;
  }
  else if (ns >= trace->learn_ns && ticks > trace->base_ticks)
  {
    trace->ns_per_tick_q = (uint64_t)(((wcx_u128_t)ns << 32) / (ticks - trace->base_ticks));
    trace->learn_ns = 2 * ns;
  }
}

void wcx_trace_begin(wcx_trace_t *trace, uint64_t mono_ns)
{
  uint64_t ticks = wcx_env_ticks();
  learn(trace, mono_ns, ticks);
  if (trace->ns_per_tick_q == 0)
    return;
  trace->begun = ticks;
  trace->at = WCX_TRACE_BEGUN;
}

void wcx_trace_choose(wcx_trace_t *trace, uint32_t frame_cnt)
{
  trace->took[WCX_STAGE_rx] = wcx_env_ticks() - trace->begun;
  trace->pick = (uint32_t)(trace->round++ % frame_cnt);
  trace->at = WCX_TRACE_PICKED;
}

void wcx_trace_frame(wcx_trace_t *trace)
{
  trace->pick = WCX_TRACE_NO_FRAME;
  trace->stamp = wcx_env_ticks();
  trace->at = WCX_TRACE_DECODING;
}

void wcx_trace_settle(wcx_trace_t *trace)
{
  if (trace->at < WCX_TRACE_WAITING && trace->at != WCX_TRACE_STREAM)
    trace->at = WCX_TRACE_REST;
}

void wcx_trace_stamp(wcx_trace_t *trace, enum wcx_stage stage)
{
  static const uint8_t next[WCX_STAGE_CNT] = {
      [WCX_STAGE_decode] = WCX_TRACE_SEQUENCING, [WCX_STAGE_sequence] = WCX_TRACE_APPLYING, [WCX_STAGE_apply] = WCX_TRACE_WAITING, [WCX_STAGE_gate] = WCX_TRACE_SENDING};
  uint64_t ticks = wcx_env_ticks();
  trace->took[stage] = ticks - trace->stamp;
  trace->stamp = ticks;
  trace->at = next[stage];
}

void wcx_trace_finish(wcx_trace_t *trace, uint64_t mono_ns)
{
  uint64_t ticks = wcx_env_ticks();
  trace->took[WCX_STAGE_tx] = ticks - trace->stamp;
  trace->took[WCX_STAGE_total] = ticks - trace->begun;
  for (uint32_t i = 0; i < WCX_STAGE_CNT; i++)
    wcx_stage_record(&trace->stages->hists[i], (uint64_t)((wcx_u128_t)trace->took[i] * trace->ns_per_tick_q >> 32));
  trace->at = WCX_TRACE_REST;
  trace->due_ns = mono_ns + WCX_TRACE_REST_NS;
}
