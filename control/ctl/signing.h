/* wcxctl: what two operators sign, whatever it is: options to bytes and back.

   Owner:     the one thread of the tool.
   Result:    an exit status (ctl.h); why it is not 0 has been said.
   Pinned by: tests/e2e/test_quarantine.py, tests/e2e/test_decide.py. */
#ifndef WCX_CONTROL_CTL_SIGNING_H
#define WCX_CONTROL_CTL_SIGNING_H

#include "control/ctl/ctl.h"
#include "engine/shm/journal_override.h"

/* The one shard that is there, or --shard. */
int wcx_ctl_the_shard(const wcx_ctl_t *ctl, uint32_t *shard);

/* --reason, printable. */
int wcx_ctl_take_reason(const wcx_ctl_t *ctl, char reason[256]);

/* Two --approve NAME:SIGNATURE. `verb`: where they come from. */
int wcx_ctl_take_approvals(const wcx_ctl_t *ctl, const char *verb, wcx_journal_approval_t approvals[2]);

/* The text signed with --key: "NAME:SIGNATURE". */
int wcx_ctl_sign_text(const wcx_ctl_t *ctl, const char *text, size_t len, char approval[32 + 129]);

#endif
