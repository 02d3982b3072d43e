// Package auth is the only one that signs or checks: the fabric's keys in NATS operator mode, the access tokens of
// devices, one-time codes and refresh tokens.
//
// A fabric has one operator, which signs three accounts: SYS, the servers' own; FABRIC, in which the roles and internal
// services meet; and CLIENTS, whose users are the end users' devices. CLIENTS never connects to NATS: its user JWTs are
// the access tokens that edges check.
//
// Each role has a signing key of its own in FABRIC, scoped by the permissions of package subjects: whoever is signed by it
// may do what the role may, and when a newer weft gives a role other permissions, the account changes and no credentials
// do. Credentials, service or signing key, each can be taken back by a change of the account (see Revoke, Rotate).
package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/weft-im/weft/subjects"
)

// The names of the accounts.
const (
	accountSystem  = "SYS"
	accountFabric  = "FABRIC"
	accountClients = "CLIENTS"
)

// What is in the keys' folder: JWTs, which are public, and seeds and credentials, mode 0600 each.
const (
	operatorJWT  = "operator.jwt"
	operatorSeed = "operator.nk"
	systemSeed   = "sys.nk"
	fabricSeed   = "fabric.nk"
	clientsSeed  = "clients.nk"
	rolesFolder  = "roles" // <role>.nk: the role's signing key
	credsFolder  = "creds" // <role>.creds

	signingSeed   = "clients-signing.nk"  // the first key that signed access tokens
	signingPrefix = "clients-signing-"    // and those that came after it, by the time they were made
	signingTime   = "20060102T150405.000" // in UTC
)

// Keys are a fabric's, as far as a folder has them: all of them where OpenKeys made it, or those that a host needs.
type Keys struct {
	dir    string
	shards int

	// nil where the folder has not got them
	operator, system, fabric, clients nkeys.KeyPair

	operatorClaims *jwt.OperatorClaims
	operatorText   string
	accounts       map[string]*jwt.AccountClaims // by name
	tokens         map[string]string             // the accounts' JWTs, by name
}

// OpenKeys returns the keys in dir with what is missing made, and the accounts brought to what this weft gives its roles
// in a fabric of so many shards; 0 leaves the number as it is, at first 1. It refuses a secret that others than its owner
// may read.
func OpenKeys(dir string, shards int) (*Keys, error) {
	for _, d := range []string{dir, filepath.Join(dir, rolesFolder), filepath.Join(dir, credsFolder)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make keys folder: %w", err)
		}
	}
	k := &Keys{dir: dir}
	for _, f := range []struct {
		name string
		make func() (nkeys.KeyPair, error)
		into *nkeys.KeyPair
	}{
		{operatorSeed, nkeys.CreateOperator, &k.operator},
		{systemSeed, nkeys.CreateAccount, &k.system},
		{fabricSeed, nkeys.CreateAccount, &k.fabric},
		{clientsSeed, nkeys.CreateAccount, &k.clients},
	} {
		var err error
		if *f.into, err = openKey(k.path(f.name), f.make); err != nil {
			return nil, err
		}
	}
	if err := k.readAccounts(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if shards != 0 {
		k.shards = shards
	}
	if err := k.complete(); err != nil {
		return nil, err
	}
	return k, k.WriteCreds(subjects.RoleOperator)
}

// ReadKeys returns what dir has of a fabric's keys, and changes nothing in it: on hosts that have only what they need.
// What must be there is the operator's JWT and those of the accounts.
func ReadKeys(dir string) (*Keys, error) {
	k := &Keys{dir: dir}
	for name, into := range map[string]*nkeys.KeyPair{
		operatorSeed: &k.operator, systemSeed: &k.system, fabricSeed: &k.fabric, clientsSeed: &k.clients,
	} {
		pair, err := readKey(k.path(name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		*into = pair
	}
	err := k.readAccounts()
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: want a folder that `weft auth init` made, or a copy of what this host needs of it", err)
	}
	return k, err
}

// Dir returns the keys' folder.
func (k *Keys) Dir() string { return k.dir }

// Master reports whether the folder has the keys that make and change accounts.
func (k *Keys) Master() bool {
	return k.operator != nil && k.system != nil && k.fabric != nil && k.clients != nil
}

var errNotMaster = errors.New("this folder has not got the keys that change accounts: use the one that `weft auth init` made")

func (k *Keys) path(parts ...string) string {
	return filepath.Join(append([]string{k.dir}, parts...)...)
}

// openKey reads a key pair from its seed's file, or makes both.
func openKey(path string, makeKey func() (nkeys.KeyPair, error)) (nkeys.KeyPair, error) {
	pair, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newKey(path, makeKey)
	}
	return pair, err
}

func readKey(path string) (nkeys.KeyPair, error) {
	seed, err := readSecret(path)
	if err != nil {
		return nil, err
	}
	pair, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("key %s is no nkey seed: %w", path, err)
	}
	return pair, nil
}

// readSecret reads a file that only its owner may read.
func readSecret(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("key %s: %w", path, err)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("key %s can be read by others (mode %04o): chmod 600 it, and think about who may have read it",
			path, info.Mode().Perm())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	return data, nil
}

func newKey(path string, makeKey func() (nkeys.KeyPair, error)) (nkeys.KeyPair, error) {
	pair, err := makeKey()
	if err != nil {
		return nil, fmt.Errorf("make key %s: %w", path, err)
	}
	seed, err := pair.Seed()
	if err != nil {
		return nil, fmt.Errorf("make key %s: %w", path, err)
	}
	return pair, writeFile(path, seed, 0o600)
}

// writeFile writes a file whole or not at all.
func writeFile(path string, data []byte, mode os.FileMode) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, data, mode); err != nil { //nolint:gosec // the operator names the folder
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// public returns the public half of a key.
func public(pair nkeys.KeyPair) (string, error) {
	p, err := pair.PublicKey()
	if err != nil {
		return "", fmt.Errorf("public key: %w", err)
	}
	return p, nil
}

// signingFiles returns the seeds that sign access tokens, the newest last.
func (k *Keys) signingFiles() ([]string, error) {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return nil, fmt.Errorf("keys folder: %w", err)
	}
	var files []string
	first := false
	for _, e := range entries {
		switch name := e.Name(); {
		case name == signingSeed:
			first = true
		case strings.HasPrefix(name, signingPrefix) && strings.HasSuffix(name, ".nk"):
			files = append(files, name)
		}
	}
	slices.Sort(files)
	if first {
		files = append([]string{signingSeed}, files...)
	}
	return files, nil
}
