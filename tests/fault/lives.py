"""What ring_load has said, life after life, and what a journal must therefore hold.

A life begins at its cut and ends with the process, the machine or the disk. Everything it told as released is in every later journal, and nothing of it
beyond the cut of the next life is.
"""


class Lives:
    def __init__(self):
        self.lives = []  # [life, cut, released]
        self.problems = []

    def hear(self, line):
        """One line of `ring_load serve`."""
        words = line.split()
        if len(words) == 6 and words[0] == "life":
            life, cut = int(words[1]), int(words[3])
            if self.lives and cut < self.lives[-1][2]:
                self.problems.append(f"lost: life {life} begins after seq {cut}, but life {self.lives[-1][0]} had told {self.lives[-1][2]} as released")
            self.lives.append([life, cut, cut])
        elif len(words) == 2 and words[0] == "r" and words[1].isdigit() and self.lives:
            self.lives[-1][2] = max(self.lives[-1][2], int(words[1]))
        elif words[:1] == ["bad"]:
            self.problems.append(line)

    @property
    def released(self):
        return self.lives[-1][2] if self.lives else 0

    def check(self, lines, released=None):
        """The lines of `ring_load check` against what was told; `released` overrides what the last life has told. Returns problems, each `lost`, `phantom` or `bad`."""
        problems, runs, last, verdict = [], [], None, None
        for line in lines:
            words = line.split()
            if words[:1] == ["run"]:
                runs.append(tuple(map(int, words[1:4])))
            elif words[:1] == ["end"]:
                verdict, last = words[1], int(words[3])
            elif words[:1] == ["bad"]:
                problems.append(line)
        if last is None:
            return problems + ["bad: the check did not come to its end"]
        released = self.released if released is None else released
        if last < released:
            problems.append(f"lost: the journal ends at {last} ({verdict}), {released} was told as released")
        want = []
        for i, (life, cut, _) in enumerate(self.lives):
            end = min(self.lives[i + 1][1] if i + 1 < len(self.lives) else last, last)
            if end > cut:
                want.append((life, cut + 1, end))
        if runs != want:
            problems.append(f"phantom: the journal holds {runs[-3:]}, what was told allows {want[-3:]}")
        return problems
