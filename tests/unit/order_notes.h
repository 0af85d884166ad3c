/* Atomics that note with which order they are used: for words that two processes share, since no run on x86 shows a release that is missing.

   Include it first, then the sources to look at, headers or .c: what is compiled behind it in this test program is noted, the rest of the program is not. */
#ifndef WCX_TESTS_ORDER_NOTES_H
#define WCX_TESTS_ORDER_NOTES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOTES_MAX 4096u

typedef struct order_note
{
  const volatile void *at;
  int order;
  bool store;
} order_note_t;

static order_note_t notes[NOTES_MAX]; /* the latest, note n at n % NOTES_MAX */
static uint64_t note_cnt;
static void (*note_look)(const volatile void *at, bool store); /* before each use; NULL: nobody looks */

static inline void note_use(const volatile void *at, int order, bool store)
{
  if (note_look != NULL)
    note_look(at, store);
  notes[note_cnt++ % NOTES_MAX] = (order_note_t){.at = at, .order = order, .store = store};
}

#undef atomic_load_explicit
#undef atomic_store_explicit
#define atomic_load_explicit(at, order) (note_use((at), (order), false), __atomic_load_n((at), (order)))
#define atomic_store_explicit(at, value, order) (note_use((at), (order), true), __atomic_store_n((at), (value), (order)))

static inline void notes_forget(void)
{
  note_cnt = 0;
}

/* The first use of a word since the notes were forgotten: its number, or UINT64_MAX. */
static inline uint64_t note_first(const volatile void *at, bool store)
{
  for (uint64_t i = note_cnt > NOTES_MAX ? note_cnt - NOTES_MAX : 0; i < note_cnt; i++)
    if (notes[i % NOTES_MAX].at == at && notes[i % NOTES_MAX].store == store)
      return i;
  return UINT64_MAX;
}

/* The last one; UINT64_MAX: none. */
static inline uint64_t note_last(const volatile void *at, bool store)
{
  for (uint64_t i = note_cnt; i > 0 && i + NOTES_MAX > note_cnt; i--)
    if (notes[(i - 1) % NOTES_MAX].at == at && notes[(i - 1) % NOTES_MAX].store == store)
      return i - 1;
  return UINT64_MAX;
}

/* Whether the word was used so at all, and with this order or a stronger one each time. */
static inline bool note_always(const volatile void *at, bool store, int order)
{
  bool any = false;
  for (uint64_t i = note_cnt > NOTES_MAX ? note_cnt - NOTES_MAX : 0; i < note_cnt; i++)
  {
    const order_note_t *note = &notes[i % NOTES_MAX];
    if (note->at != at || note->store != store)
      continue;
    any = true;
    if (note->order != order && note->order != memory_order_seq_cst)
      return false;
  }
  return any;
}

#endif
