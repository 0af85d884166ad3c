#include "bench/image.h"

#include "bench/rig.h"
#include "persist/block.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOURNAL_ID "wcx-bench image"
#define EPOCH 1u

static void make_super(wcx_image_t *image, uint32_t shard)
{
  wcx_journal_super_t super = {.magic = WCX_JOURNAL_SUPER_MAGIC,
                               .version = WCX_JOURNAL_VERSION,
                               .shard = shard,
                               .journal_id = JOURNAL_ID,
                               .segment_sz = WCX_IMAGE_SEGMENT_SZ,
                               .in_flight_max = WCX_JOURNAL_IN_FLIGHT_MAX,
                               .first_segment_no = 1};
  super.crc32c = wcx_crc32c(0, &super, sizeof(super));
  for (uint16_t i = 0; i < WCX_JOURNAL_SUPER_COPIES; i++)
  {
    super.copy = i;
    memcpy(image->super + (size_t)i * WCX_JOURNAL_ALIGN, &super, sizeof(super));
  }
}

static void next_segment(wcx_image_t *image, uint32_t shard)
{
  WCX_CHECK(image->segment_cnt < image->segment_max, "more than %llu segments", (unsigned long long)image->segment_max);
  uint8_t *at = image->segments + image->segment_cnt * WCX_IMAGE_SEGMENT_SZ;
  memset(at, 0, WCX_IMAGE_SEGMENT_SZ);
  wcx_journal_segment_t segment = {.magic = WCX_JOURNAL_SEGMENT_MAGIC,
                                   .version = WCX_JOURNAL_VERSION,
                                   .shard = shard,
                                   .journal_id = JOURNAL_ID,
                                   .segment_no = ++image->segment_cnt,
                                   .segment_sz = WCX_IMAGE_SEGMENT_SZ};
  segment.crc32c = wcx_crc32c(0, &segment, sizeof(segment));
  memcpy(at, &segment, sizeof(segment));
  image->off = WCX_JOURNAL_ALIGN;
}

static uint32_t size_at(const uint8_t *record)
{
  wcx_record_hdr_t hdr;
  memcpy(&hdr, record, sizeof(hdr));
  return wcx_record_sz(hdr.body_sz);
}

void wcx_image_make(wcx_image_t *image, uint32_t shard, const uint8_t *records, uint64_t sz, uint32_t block_sz)
{
  /* a block of 4 KiB may be filled to its third only, by the largest of records */
  *image = (wcx_image_t){.super = wcx_rig_map(WCX_JOURNAL_SUPER_COPIES * WCX_JOURNAL_ALIGN), .segment_max = 3 * sz / WCX_IMAGE_SEGMENT_SZ + 2};
  image->segments = wcx_rig_map(image->segment_max * WCX_IMAGE_SEGMENT_SZ);
  make_super(image, shard);
  wcx_journal_super_t super;
  memcpy(&super, image->super, sizeof(super));
  wcx_journal_chain_t chain = {.shard = shard, .next_block_no = 1, .next_seq = 1, .digest = wcx_journal_chain_start(super.journal_id)};
  next_segment(image, shard);
  for (uint64_t done = 0; done < sz;)
  {
    if (image->off == WCX_IMAGE_SEGMENT_SZ)
      next_segment(image, shard);
    uint64_t left = WCX_IMAGE_SEGMENT_SZ - image->off;
    wcx_block_t block;
    wcx_block_begin(&block, image->segments + (image->segment_cnt - 1) * WCX_IMAGE_SEGMENT_SZ + image->off, left < block_sz ? (uint32_t)left : block_sz);
    for (; done < sz && wcx_block_room(&block); done += size_at(records + done))
    {
      memcpy(wcx_block_tail(&block), records + done, size_at(records + done));
      wcx_block_add(&block, size_at(records + done));
    }
    wcx_block_words_t words = {.kind = WCX_JOURNAL_DATA, .epoch = EPOCH, .committed_hint = chain.next_seq - 1, .in_flight_max = WCX_JOURNAL_IN_FLIGHT_MAX};
    image->off += wcx_block_seal(&block, &chain, &words);
    image->block_cnt++;
  }
}

void wcx_image_free(wcx_image_t *image)
{
  munmap(image->segments, image->segment_max * WCX_IMAGE_SEGMENT_SZ);
  munmap(image->super, WCX_JOURNAL_SUPER_COPIES * WCX_JOURNAL_ALIGN);
  *image = (wcx_image_t){0};
}

/* --- as a source --------------------------------------------------------------------------------------------------------------------------- */

static int64_t image_read(void *ctx, uint64_t segment_no, uint64_t off, void *buf, size_t sz)
{
  const wcx_image_t *image = ctx;
  if (segment_no > image->segment_cnt)
    return -ENOENT;
  uint64_t end = segment_no == 0 ? WCX_JOURNAL_SUPER_COPIES * WCX_JOURNAL_ALIGN : WCX_IMAGE_SEGMENT_SZ;
  const uint8_t *from = segment_no == 0 ? image->super : image->segments + (segment_no - 1) * WCX_IMAGE_SEGMENT_SZ;
  uint64_t part = off >= end ? 0 : sz < end - off ? sz : end - off;
  memcpy(buf, from + off, part);
  return (int64_t)part;
}

static uint64_t image_last(void *ctx)
{
  return ((const wcx_image_t *)ctx)->segment_cnt;
}

wcx_journal_source_t wcx_image_source(wcx_image_t *image)
{
  return (wcx_journal_source_t){.ctx = image, .read = image_read, .last_segment = image_last};
}

/* --- as files ------------------------------------------------------------------------------------------------------------------------------ */

static int write_file(int dir_fd, const char *name, const uint8_t *from, uint64_t sz)
{
  int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  if (fd < 0)
    return -1;
  for (uint64_t done = 0; done < sz;)
  {
    ssize_t put = write(fd, from + done, sz - done);
    if (put < 0)
    {
      close(fd);
      return -1;
    }
    done += (uint64_t)put;
  }
  int result = fsync(fd);
  return close(fd) != 0 ? -1 : result;
}

int wcx_image_save(const wcx_image_t *image, const char *dir)
{
  if (mkdir(dir, 0750) != 0 && errno != EEXIST)
    return -1;
  int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir_fd < 0)
    return -1;
  int result = write_file(dir_fd, "superblock", image->super, WCX_JOURNAL_SUPER_COPIES * WCX_JOURNAL_ALIGN);
  for (uint64_t i = 1; result == 0 && i <= image->segment_cnt; i++)
  {
    char name[64];
    snprintf(name, sizeof(name), "seg-%016" PRIx64 ".wcj", i);
    result = write_file(dir_fd, name, image->segments + (i - 1) * WCX_IMAGE_SEGMENT_SZ, WCX_IMAGE_SEGMENT_SZ);
  }
  close(dir_fd);
  return result;
}
