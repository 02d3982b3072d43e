package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"

	"github.com/weft-im/weft/auth"
)

// dataVersion is what this build's data folder looks like, earlierVersion what it makes one of: there, files lay with the
// fabric's streams (placeMedia). A folder of another version is refused, never guessed at.
const (
	dataVersion    = "2"
	earlierVersion = "1"
)

// What is where in the data folder.
const (
	versionFile = "VERSION"
	lockFile    = "LOCK"
	keysFolder  = "keys"  // the fabric's keys, mode 0600 each
	natsFolder  = "nats"  // JetStream: the logs, receipts, buckets
	mediaFolder = "media" // JetStream of the server for files
	sqlFile     = "weft.db"

	// postgresFile is there where SQL is in PostgreSQL: it says which one. Then a weft.db would not be this fabric's any
	// more; one that was moved is kept under movedFile.
	postgresFile = "POSTGRES"
	movedFile    = "weft.db.moved"
)

// data is the folder in which one process keeps everything, held by a lock for as long as it runs.
type data struct {
	dir  string
	lock *flock.Flock
}

// openData makes or opens a data folder and locks it.
func openData(dir string) (*data, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data folder %q: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	d := &data{dir: dir, lock: flock.New(inside(dir, lockFile), flock.SetPermissions(0o600))}
	ok, err := d.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock data folder %s: %w", dir, err)
	}
	if !ok {
		return nil, fmt.Errorf("data folder %s is in use by another weft process%s: stop it, or give this one a --data of its own",
			dir, holder(dir))
	}
	if err := d.claim(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// OperatorCreds returns where a data folder has the credentials with which operators connect to its NATS.
func OperatorCreds(dir string) string { return auth.OperatorCredsIn(inside(dir, keysFolder)) }

// Database returns where the SQLite database of a data folder is: for programs that look into it or fill it while no
// node runs.
func Database(dir string) string { return inside(dir, sqlFile) }

func inside(dir, name string) string { return filepath.Join(dir, name) }

func (d *data) path(name string) string { return inside(d.dir, name) }

// claim checks the folder's version, stamps a new one, and notes who holds the lock.
func (d *data) claim() error {
	stamp, err := os.ReadFile(d.path(versionFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := d.mustBeNew(); err != nil {
			return err
		}
		if err := d.stamp(); err != nil {
			return err
		}
	case err != nil:
		return fmt.Errorf("read the data folder's version: %w", err)
	case strings.TrimSpace(string(stamp)) == earlierVersion:
		if err := d.stamp(); err != nil {
			return err
		}
	case strings.TrimSpace(string(stamp)) != dataVersion:
		return fmt.Errorf("data folder %s has version %q, this weft works with version %s: use the weft that made it",
			d.dir, strings.TrimSpace(string(stamp)), dataVersion)
	}
	return noteHolder(d.dir)
}

// noteHolder notes that this process holds a folder's lock.
func noteHolder(dir string) error {
	if err := os.WriteFile(inside(dir, lockFile), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return fmt.Errorf("note the lock's holder: %w", err)
	}
	return nil
}

// stamp notes that the folder is one of this version.
func (d *data) stamp() error {
	if err := os.WriteFile(d.path(versionFile), []byte(dataVersion+"\n"), 0o600); err != nil {
		return fmt.Errorf("stamp data folder: %w", err)
	}
	return nil
}

// postgres returns which PostgreSQL has this fabric's SQL, "" where it is (or will be) in the folder.
func (d *data) postgres() string {
	b, err := os.ReadFile(d.path(postgresFile))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// hasSQLite reports whether the folder has a database of its own.
func (d *data) hasSQLite() bool {
	_, err := os.Stat(d.path(sqlFile))
	return err == nil
}

// usePostgres notes that SQL is in PostgreSQL from now on, and puts a database that was in the folder aside.
func (d *data) usePostgres(name string) error {
	if d.postgres() != name {
		tmp := d.path(postgresFile) + ".new"
		if err := os.WriteFile(tmp, []byte(name+"\n"), 0o600); err != nil {
			return fmt.Errorf("note where SQL is: %w", err)
		}
		if err := os.Rename(tmp, d.path(postgresFile)); err != nil {
			return fmt.Errorf("note where SQL is: %w", err)
		}
	}
	// What a crash has left of it lies beside it and goes with it; the file itself last.
	for _, part := range []string{"-wal", "-shm", ""} {
		err := os.Rename(d.path(sqlFile)+part, d.path(movedFile)+part)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("put the moved database aside: %w", err)
		}
	}
	return nil
}

// mustBeNew refuses to move into a folder that holds something else.
func (d *data) mustBeNew() error {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return fmt.Errorf("read data folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() != lockFile {
			return fmt.Errorf("folder %s is not empty and no data folder of weft (it has no %s): choose another --data", d.dir, versionFile)
		}
	}
	return nil
}

// holder tells, for an error text, which process holds a folder's lock.
func holder(dir string) string {
	b, err := os.ReadFile(inside(dir, lockFile))
	if pid := strings.TrimSpace(string(b)); err == nil && pid != "" {
		return " (pid " + pid + ")"
	}
	return ""
}

func (d *data) close() error {
	if err := d.lock.Unlock(); err != nil {
		return fmt.Errorf("unlock data folder: %w", err)
	}
	return nil
}
