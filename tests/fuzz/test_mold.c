/* MoldUDP64: the data plane's reader and the client's reader, which share no code, say the same of every packet; what they read can be written again.
   The client takes bytes behind the last block for a tag it did not ask for; the data plane does not. */
#include "dataplane/client/packet.h"
#include "dataplane/mold.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static uint8_t rewritten[WCX_FUZZ_SZ_MAX];

/* Walks as many blocks as the header announces and there are. Returns them. */
static uint32_t walk(const wcx_mold_t *mold, const uint8_t *data, size_t sz, uint16_t *shortest)
{
  const uint8_t *at = mold->blocks;
  const uint8_t *block = NULL;
  uint16_t block_sz = 0;
  uint32_t cnt = 0;
  while (cnt < mold->count && wcx_mold_next(mold, &at, &block, &block_sz))
  {
    WCX_CHECK(block >= data + 22 && block + block_sz <= data + sz && at == block + block_sz, "block %u of %u bytes is not inside its datagram", cnt, block_sz);
    *shortest = block_sz < *shortest ? block_sz : *shortest;
    cnt++;
  }
  return cnt;
}

static void check_rewrite(const wcx_mold_t *mold, const uint8_t *data, size_t sz)
{
  uint32_t len = wcx_mold_begin(rewritten, mold->session, mold->sequence, 0);
  const uint8_t *at = mold->blocks;
  const uint8_t *block = NULL;
  uint16_t block_sz = 0;
  while (at < mold->end && wcx_mold_next(mold, &at, &block, &block_sz))
    len = wcx_mold_add(rewritten, len, block, block_sz);
  WCX_CHECK(len == sz && memcmp(rewritten, data, sz) == 0, "%zu bytes are written again as %u", sz, len);
}

static void check_client(const wcx_mold_t *mold, const uint8_t *data, size_t sz, bool whole)
{
  wcx_client_packet_t packet;
  bool opened = wcx_client_packet_open(&packet, data, sz);
  if (mold->count == WCX_CLIENT_END_OF_SESSION)
    return; /* the end of a session; a client never sends it */
  WCX_CHECK(opened == whole, "the data plane says %d, the client says %d, count %u, %zu bytes", whole, opened, mold->count, sz);
  if (opened)
    WCX_CHECK(packet.sequence == mold->sequence && packet.count == mold->count && memcmp(packet.session, mold->session, 10) == 0, "two readings of one header");
}

void wcx_fuzz_one(const uint8_t *data, size_t sz)
{
  wcx_mold_t mold;
  if (!wcx_mold_parse(data, (uint32_t)sz, &mold))
  {
    WCX_CHECK(sz < WCX_MOLD_HEADER_SZ, "%zu bytes have no header", sz);
    return;
  }
  uint16_t shortest = UINT16_MAX;
  uint32_t cnt = walk(&mold, data, sz, &shortest);
  for (uint16_t block_sz_min = 0; block_sz_min <= 16; block_sz_min += 8)
  {
    bool sound = wcx_mold_sound(&mold, block_sz_min);
    WCX_CHECK(!sound || (cnt == mold.count && (cnt == 0 || shortest >= block_sz_min)), "sound, but %u of %u blocks, the shortest of %u bytes", cnt, mold.count, shortest);
    if (sound)
      check_rewrite(&mold, data, sz);
    if (block_sz_min == 8)
      check_client(&mold, data, sz, cnt == mold.count && (cnt == 0 || shortest >= block_sz_min));
  }
}
