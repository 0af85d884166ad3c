"""A PostgreSQL and a Redis of a test's own: private directory, private socket, an unprivileged user, ended by their process id."""
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "sink-secret-of-a-test"
LIMIT_S = 30
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # a test that is ended ends its servers


def bin_of(name):
    found = [path / name for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True) if (path / name).exists()]
    return str(found[0]) if found else shutil.which(name)


def unprivileged():
    """Words before a command so that it does not run as root, and the owner of what it writes."""
    if os.geteuid() != 0:
        return [], None
    user = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"], user


class Server:
    """A directory below /tmp and at most one process in it."""

    def __init__(self, name):
        self.dir = Path(tempfile.mkdtemp(prefix=f"wcx-{name}-"))
        self.words, user = unprivileged()
        if user is not None:
            os.chown(self.dir, user.pw_uid, user.pw_gid)
        self.dir.chmod(0o755)
        self.log = self.dir / "log"
        self.process = None

    def spawn(self, *command):
        out = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.process = subprocess.Popen([*self.words, *command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", start_new_session=True)
        os.close(out)

    def until(self, what, there):
        end = time.monotonic() + LIMIT_S
        while not there():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{what} does not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def signal(self, number):
        """To all processes of the server: they are a process group of their own."""
        if self.process is not None:
            os.killpg(self.process.pid, number)

    def kill(self):
        if self.process is not None:
            try:
                self.signal(signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
        self.process = None

    def close(self):
        self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Postgres(Server):
    """synchronous_commit is off: rows must be there exactly once even then."""

    def __init__(self):
        super().__init__("pg")
        self.data = self.dir / "data"
        subprocess.run([*self.words, bin_of("initdb"), "-D", str(self.data), "-U", "owner", "--auth=trust", "-E", "UTF8", "--locale=C"], check=True, cwd="/", stdout=subprocess.DEVNULL)
        hba = self.data / "pg_hba.conf"
        hba.write_text("local all wcx_sink scram-sha-256\nlocal all owner trust\n")
        self.start()
        self.sql("CREATE DATABASE wcx")
        self.psql("-f", ROOT / "configs/sql/roles.sql", *(word for path in sorted((ROOT / "persist/sql").glob("*.sql")) for word in ("-f", path)), "-c", f"ALTER ROLE wcx_sink PASSWORD '{PASSWORD}'", "-c", "CHECKPOINT")
        self.connection = self.dir / "connection"
        self.connection.touch(mode=0o600)
        self.connection.write_text(f"host={self.dir} port=5432 dbname=wcx user=wcx_sink password={PASSWORD}\n")

    def close(self):
        """A server that is killed leaves its shared memory to the machine: the last one of the directory ends at once, but in order."""
        if self.process is not None:
            try:
                self.signal(signal.SIGCONT)
                self.signal(signal.SIGQUIT)
                self.process.wait(timeout=LIMIT_S)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
        super().close()

    def start(self):
        """The children of a killed server hold its memory a moment longer: until they have gone, a new one ends at once."""
        end = time.monotonic() + LIMIT_S
        while True:
            self.spawn(bin_of("postgres"), "-D", str(self.data), "-k", str(self.dir), "-p", "5432", "-c", "listen_addresses=", "-c", "synchronous_commit=off",
                       "-c", "shared_buffers=32MB", "-c", "max_connections=20", "-c", "autovacuum=off", "-c", "dynamic_shared_memory_type=mmap")
            try:
                self.until("PostgreSQL", lambda: self.query("postgres", "SELECT 1").returncode == 0)
                return
            except AssertionError:
                if time.monotonic() > end:
                    raise
                self.kill()
                time.sleep(0.1)

    def query(self, database, text, *more):
        command = [bin_of("psql"), "-X", "-q", "-A", "-t", "-h", str(self.dir), "-U", "owner", "-d", database, "-v", "ON_ERROR_STOP=1", "-c", text, *more]
        return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=120)

    def sql(self, text, database="postgres"):
        done = self.query(database, text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def psql(self, *args):
        command = [bin_of("psql"), "-X", "-q", "-h", str(self.dir), "-U", "owner", "-d", "wcx", "-v", "ON_ERROR_STOP=1", *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60)
        assert done.returncode == 0, done.stderr

    def rows(self, text):
        return [tuple(line.split("|")) for line in self.sql(text, "wcx").splitlines()]

    def one(self, text):
        rows = self.rows(text)
        return rows[0] if rows else None

    def mark(self):
        row = self.one("SELECT seq FROM wcx.watermark")
        return int(row[0]) if row else 0


class Redis(Server):
    """Keeps nothing: after a kill it comes back empty."""

    def __init__(self):
        super().__init__("redis")
        self.socket = self.dir / "redis.sock"
        self.connection = self.dir / "connection"
        self.connection.touch(mode=0o600)
        self.connection.write_text(f"socket={self.socket}\npassword={PASSWORD}\n")
        self.start()

    def start(self):
        self.socket.unlink(missing_ok=True)
        self.spawn(bin_of("redis-server"), "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "777", "--save", "", "--appendonly", "no", "--requirepass", PASSWORD,
                   "--dir", str(self.dir))
        self.until("Redis", lambda: self.socket.exists() and self.call("PING") == ["PONG"])

    def call(self, *words):
        env = dict(os.environ, REDISCLI_AUTH=PASSWORD)
        done = subprocess.run(["redis-cli", "-s", str(self.socket), *map(str, words)], capture_output=True, text=True, check=False, env=env, timeout=60, stdin=subprocess.DEVNULL)
        return done.stdout.splitlines()

    def hash(self, key):
        lines = self.call("HGETALL", key)
        return dict(zip(lines[::2], lines[1::2]))

    def mark(self):
        return int(self.hash("{wcx:1}:mark").get("seq", 0))
