/* Segments by their names: apart from what makes them, for readers that make none. */
#include "persist/segment.h"

static void visit_last(void *ctx, const char *name)
{
  uint64_t *last = ctx;
  uint64_t segment_no;
  if (wcx_segment_no_of(name, &segment_no) && segment_no > *last)
    *last = segment_no;
}

int wcx_segment_last(wcx_disk_t *disk, uint64_t *segment_no)
{
  *segment_no = 0;
  return wcx_disk_list(disk, visit_last, segment_no);
}
