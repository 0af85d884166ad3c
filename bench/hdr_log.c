#include "bench/hdr_log.h"

#include "engine/base/check.h"

#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#define COOKIE_PLAIN 0x1c849313u
#define COOKIE_PACKED 0x1c849314u
#define HEADER_SZ 40u
#define ENVELOPE_SZ 8u
#define WORD_MAX 9u
#define PLAIN_SZ (HEADER_SZ + WCX_HDR_SLOTS * WORD_MAX)
#define PACKED_SZ (PLAIN_SZ + PLAIN_SZ / 1000 + 64 + ENVELOPE_SZ) /* zlib's own bound, and the envelope */
static_assert((PACKED_SZ + 2) / 3 * 4 + 1 <= WCX_HDR_TEXT_SZ, "the largest histogram fits as base64");

typedef struct header
{
  uint32_t cookie_be;
  uint32_t payload_sz_be;
  uint32_t normalizing_be;
  uint32_t digits_be;
  uint64_t lowest_be;
  uint64_t highest_be;
  uint64_t ratio_be; /* a double */
} header_t;
static_assert(sizeof(header_t) == HEADER_SZ && offsetof(header_t, lowest_be) == 16 && offsetof(header_t, ratio_be) == 32, "histogram header");

/* --- the payload ------------------------------------------------------------------------------------------------------------------------ */

static uint8_t *put_word(uint8_t *to, int64_t value)
{
  uint64_t word = (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
  for (uint32_t i = 0; i < WORD_MAX - 1; i++)
  {
    if (word >> 7 == 0)
    {
      *to++ = (uint8_t)word;
      return to;
    }
    *to++ = (uint8_t)(word | 0x80);
    word >>= 7;
  }
  *to++ = (uint8_t)word; /* eight bits of it */
  return to;
}

static const uint8_t *take_word(const uint8_t *at, const uint8_t *end, int64_t *value)
{
  uint64_t word = 0;
  for (uint32_t i = 0; i < WORD_MAX; i++)
  {
    if (at == end)
      return NULL;
    uint8_t byte = *at++;
    bool last = i == WORD_MAX - 1 || (byte & 0x80) == 0;
    word |= (uint64_t)(i == WORD_MAX - 1 ? byte : byte & 0x7f) << 7 * i;
    if (last)
      break;
  }
  *value = (int64_t)(word >> 1 ^ -(word & 1));
  return at;
}

static uint8_t *put_payload(uint8_t *to, const wcx_hdr_t *hdr)
{
  uint32_t limit = hdr->cnt == 0 ? 1 : wcx_hdr_slot(hdr->max) + 1;
  for (uint32_t i = 0; i < limit;)
  {
    uint32_t run = 0;
    while (i + run < limit && hdr->slots[i + run] == 0)
      run++;
    if (run > 1)
      to = put_word(to, -(int64_t)run);
    else
      to = put_word(to, (int64_t)hdr->slots[i]);
    i += run > 1 ? run : 1;
  }
  return to;
}

static bool take_payload(const uint8_t *at, const uint8_t *end, wcx_hdr_t *hdr)
{
  *hdr = (wcx_hdr_t){0};
  for (uint64_t slot = 0; at != end;)
  {
    int64_t value;
    at = take_word(at, end, &value);
    if (at == NULL || value < -(int64_t)WCX_HDR_SLOTS)
      return false;
    uint64_t next = slot + (value < 0 ? (uint64_t)-value : 1);
    if (next > wcx_hdr_slot(WCX_HDR_VALUE_MAX) + 1)
      return false;
    if (value > 0)
      wcx_hdr_record(hdr, wcx_hdr_slot_end((uint32_t)slot), (uint64_t)value);
    slot = next;
  }
  return true;
}

/* --- the text --------------------------------------------------------------------------------------------------------------------------- */

static void *get_room(size_t sz)
{
  void *room = malloc(sz);
  WCX_CHECK(room != NULL, "out of memory");
  return room;
}

size_t wcx_hdr_encode(const wcx_hdr_t *hdr, char *text)
{
  uint8_t *plain = get_room(PLAIN_SZ);
  uint8_t *packed = get_room(PACKED_SZ);
  double one = 1.0;
  uint64_t ratio;
  memcpy(&ratio, &one, sizeof(ratio));
  size_t plain_sz = (size_t)(put_payload(plain + HEADER_SZ, hdr) - plain);
  header_t header = {.cookie_be = htobe32(COOKIE_PLAIN),
                     .payload_sz_be = htobe32((uint32_t)(plain_sz - HEADER_SZ)),
                     .digits_be = htobe32(WCX_HDR_DIGITS),
                     .lowest_be = htobe64(1),
                     .highest_be = htobe64(WCX_HDR_VALUE_MAX),
                     .ratio_be = htobe64(ratio)};
  memcpy(plain, &header, sizeof(header));
  uLongf packed_sz = PACKED_SZ - ENVELOPE_SZ;
  int status = compress2(packed + ENVELOPE_SZ, &packed_sz, plain, plain_sz, Z_BEST_COMPRESSION);
  WCX_CHECK(status == Z_OK, "zlib: %d", status);
  uint32_t envelope[2] = {htobe32(COOKIE_PACKED), htobe32((uint32_t)packed_sz)};
  memcpy(packed, envelope, sizeof(envelope));
  int text_sz = EVP_EncodeBlock((unsigned char *)text, packed, (int)(packed_sz + ENVELOPE_SZ));
  free(packed);
  free(plain);
  return (size_t)text_sz;
}

/* The size of the plain histogram that the envelope holds; 0: it is none. */
static size_t unpack(const uint8_t *packed, size_t packed_sz, uint8_t *plain)
{
  uint32_t envelope[2];
  if (packed_sz < sizeof(envelope))
    return 0;
  memcpy(envelope, packed, sizeof(envelope));
  uint32_t sz = be32toh(envelope[1]);
  uLongf plain_sz = PLAIN_SZ;
  if (be32toh(envelope[0]) != COOKIE_PACKED || sz > packed_sz - ENVELOPE_SZ || uncompress(plain, &plain_sz, packed + ENVELOPE_SZ, sz) != Z_OK || plain_sz < HEADER_SZ)
    return 0;
  header_t header;
  memcpy(&header, plain, sizeof(header));
  bool ours = be32toh(header.cookie_be) == COOKIE_PLAIN && be32toh(header.payload_sz_be) == plain_sz - HEADER_SZ && header.normalizing_be == 0 &&
              be32toh(header.digits_be) == WCX_HDR_DIGITS && be64toh(header.lowest_be) == 1 && be64toh(header.highest_be) == WCX_HDR_VALUE_MAX;
  return ours ? plain_sz : 0;
}

bool wcx_hdr_decode(const char *text, size_t text_sz, wcx_hdr_t *hdr)
{
  if (text_sz == 0 || text_sz % 4 != 0 || text_sz >= WCX_HDR_TEXT_SZ)
    return false;
  uint8_t *packed = get_room(text_sz);
  uint8_t *plain = get_room(PLAIN_SZ);
  int packed_sz = EVP_DecodeBlock(packed, (const unsigned char *)text, (int)text_sz); /* padding counts as zeros behind what zlib reads */
  size_t plain_sz = packed_sz < 0 ? 0 : unpack(packed, (size_t)packed_sz, plain);
  bool sound = plain_sz != 0 && take_payload(plain + HEADER_SZ, plain + plain_sz, hdr);
  free(plain);
  free(packed);
  return sound;
}

/* --- the log ---------------------------------------------------------------------------------------------------------------------------- */

int wcx_hdr_log_open(wcx_hdr_log_t *log, const char *path, uint64_t base_ns, const char *comment)
{
  *log = (wcx_hdr_log_t){.base_ns = base_ns, .file = fopen(path, "we")};
  if (log->file == NULL)
    return -1;
  log->text = get_room(WCX_HDR_TEXT_SZ);
  time_t seconds = (time_t)(base_ns / 1000000000);
  struct tm utc;
  char date[64];
  strftime(date, sizeof(date), "%a %b %d %H:%M:%S UTC %Y", gmtime_r(&seconds, &utc));
  double start = (double)base_ns / 1e9;
  if (comment != NULL)
    fprintf(log->file, "#[%s]\n", comment);
  fprintf(log->file, "#[Histogram log format version 1.3]\n#[StartTime: %.3f (seconds since epoch), %s]\n#[BaseTime: %.3f (seconds since epoch)]\n", start, date, start);
  fputs("\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n", log->file);
  return 0;
}

void wcx_hdr_log_interval(wcx_hdr_log_t *log, const char *tag, uint64_t from_ns, uint64_t to_ns, const wcx_hdr_t *hdr)
{
  size_t text_sz = wcx_hdr_encode(hdr, log->text);
  if (tag != NULL)
    fprintf(log->file, "Tag=%s,", tag);
  fprintf(log->file, "%.3f,%.3f,%.3f,%.*s\n", (double)(from_ns - log->base_ns) / 1e9, (double)(to_ns - from_ns) / 1e9, (double)hdr->max / 1e6, (int)text_sz, log->text);
}

int wcx_hdr_log_close(wcx_hdr_log_t *log)
{
  free(log->text);
  int bad = ferror(log->file);
  return fclose(log->file) == 0 && bad == 0 ? 0 : -1;
}

/* --- reading one ------------------------------------------------------------------------------------------------------------------------ */

/* What stands before the histogram. False: the line is none of an interval. */
static bool take_line(char *line, const char **tag, double *start_s, double *length_s, const char **text)
{
  char *at = line;
  *tag = NULL;
  if (strncmp(line, "Tag=", 4) == 0)
  {
    at = strchr(line, ',');
    if (at == NULL)
      return false;
    *at++ = 0;
    *tag = line + 4;
  }
  char *comma = strrchr(at, ',');
  *text = comma != NULL ? comma + 1 : at;
  return comma != NULL && sscanf(at, "%lf,%lf,", start_s, length_s) == 2;
}

static int read_lines(FILE *file, wcx_hdr_t *hdr, wcx_hdr_log_part_t *part, void *ctx)
{
  char *line = NULL;
  size_t room = 0;
  double base_s = 0;
  int status = 0;
  while (status == 0 && getline(&line, &room, file) > 0)
  {
    const char *tag, *text;
    double start_s, length_s;
    line[strcspn(line, "\r\n")] = 0;
    if (line[0] == '#')
      (void)sscanf(line, "#[BaseTime: %lf", &base_s);
    else if (line[0] != '"' && take_line(line, &tag, &start_s, &length_s, &text))
    {
      status = wcx_hdr_decode(text, strlen(text), hdr) ? 0 : EINVAL;
      uint64_t from_ns = (uint64_t)((base_s + start_s) * 1e9);
      if (status == 0)
        part(ctx, tag, from_ns, from_ns + (uint64_t)(length_s * 1e9), hdr);
    }
  }
  status = status == 0 && ferror(file) != 0 ? EIO : status;
  free(line);
  return status;
}

int wcx_hdr_log_read(const char *path, wcx_hdr_log_part_t *part, void *ctx)
{
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return -1;
  wcx_hdr_t *hdr = get_room(sizeof(*hdr));
  int status = read_lines(file, hdr, part, ctx);
  free(hdr);
  fclose(file);
  errno = status;
  return status == 0 ? 0 : -1;
}
