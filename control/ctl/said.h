/* What an input said, shown again: for the nouns that print messages of one stream under its numbers.

   Owner:    the one thread of the tool.
   Output:   -o json: {"Number", "Seq", message}; -o raw: the S packet of SoupBinTCP that brought it; -o table: for people. */
#ifndef WCX_CONTROL_CTL_SAID_H
#define WCX_CONTROL_CTL_SAID_H

#include "control/ctl/ctl.h"
#include "engine/outlog.h"

/* The date of the last DayRoll the journal shows up to limit_seq; *date stays as it is where none is. Returns an exit status. */
int wcx_ctl_last_date(const wcx_ctl_t *ctl, uint32_t shard, uint64_t limit_seq, uint32_t *date);

void wcx_ctl_print_said(const wcx_ctl_t *ctl, uint64_t number, const wcx_out_entry_t *entry);

#endif
