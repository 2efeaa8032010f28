package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// startTimeout bounds how long the server takes to accept connections.
const startTimeout = 60 * time.Second

// server is a PostgreSQL server in a temporary directory. It listens on a socket
// in there, and on no port.
type server struct {
	url   string
	dir   string
	cmd   *exec.Cmd
	stdin io.Closer
	log   *bytes.Buffer
}

// run has the shell start the server and end it when its own input does, which is
// when the process of the tests is no more, however it has ended.
const run = `"$@" </dev/null & server=$!
cat >/dev/null
kill -INT $server
wait $server`

// start makes a new, empty server. What it holds is of no worth after a crash, so
// that it does not wait for the disk.
func start() (s *server, err error) {
	bin, err := findBin()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "waybill-pg")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	attributes, err := unprivileged(dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	ctx := context.Background()                                                                                   // Longer than any test.
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", //nolint:gosec // It is where the machine has PostgreSQL.
		"--locale=C", "--encoding=UTF8", "--no-sync", "--no-instructions")
	initdb.SysProcAttr, initdb.Dir = attributes, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	s = &server{dir: dir, log: &bytes.Buffer{}}
	s.cmd = exec.CommandContext(ctx, "sh", "-c", run, "sh", filepath.Join(bin, "postgres"), "-D", data, "-k", dir, "-h", "", //nolint:gosec // As above.
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
		"-c", "shared_buffers=16MB", "-c", "max_connections=200")
	s.cmd.SysProcAttr, s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = attributes, dir, s.log, s.log
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := s.wait(ctx); err != nil {
		return nil, errors.Join(err, s.stop(), errors.New(s.log.String()))
	}
	s.url = (&url.URL{
		Scheme: "postgres", User: url.User("postgres"), Path: "/postgres",
		RawQuery: url.Values{"host": {dir}, "sslmode": {"disable"}}.Encode(),
	}).String()
	return s, nil
}

// wait returns when the server listens. Until it is ready it turns clients away.
func (s *server) wait(ctx context.Context) error {
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(10 * time.Millisecond) {
		content, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
		if err == nil && bytes.Contains(content, []byte("\nready")) {
			conn, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(s.dir, ".s.PGSQL.5432"))
			if err == nil {
				return conn.Close()
			}
		}
		if time.Now().After(deadline) {
			return errors.New("PostgreSQL does not become ready")
		}
	}
}

// execute runs one statement, on a connection of its own.
func (s *server) execute(ctx context.Context, statement string) (err error) {
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	_, err = conn.Exec(ctx, statement)
	return err
}

// stop ends the server, without waiting for its clients.
func (s *server) stop() error {
	_ = s.stdin.Close()
	return errors.Join(s.cmd.Wait(), os.RemoveAll(s.dir))
}

// findBin finds where the programs of the newest PostgreSQL are: Debian has each
// version in a directory of its own, others have them in the path.
func findBin() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", fmt.Errorf("there is no PostgreSQL server here: %w", err)
	}
	return filepath.Dir(path), nil
}

// version is the number in /usr/lib/postgresql/17/bin/initdb.
func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// unprivileged gives the directory to a user who runs the server: who runs the
// tests, but PostgreSQL refuses root, as whom containers run them.
func unprivileged(dir string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		account, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}
