// Package auth is the only one that signs or checks: the fabric's keys in NATS operator mode, the access tokens of
// devices, one-time codes and refresh tokens.
//
// A fabric has one operator, which signs three accounts: SYS, the servers' own; FABRIC, in which the roles meet; and
// CLIENTS, whose users are the end users' devices. CLIENTS never connects to NATS: its user JWTs are the access tokens
// that edges check.
package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// The names of the accounts.
const (
	accountSystem  = "SYS"
	accountFabric  = "FABRIC"
	accountClients = "CLIENTS"
)

// What is in the keys' folder: seeds, mode 0600 each, and the operators' credentials.
const (
	operatorSeed  = "operator.nk"
	systemSeed    = "sys.nk"
	fabricSeed    = "fabric.nk"
	clientsSeed   = "clients.nk"
	signingSeed   = "clients-signing.nk" // signs access tokens, so that the account's own key need not be at hand
	operatorCreds = "operator.creds"
)

// Keys are a fabric's secrets.
type Keys struct {
	dir                                        string
	operator, system, fabric, clients, signing nkeys.KeyPair
	operatorClaims                             *jwt.OperatorClaims
	accounts                                   map[string]string
	systemPublic, clientsPublic, signingPublic string
}

// OpenKeys returns the keys in dir, made on the first start. It refuses a key that others than its owner may read.
func OpenKeys(dir string) (*Keys, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make keys folder: %w", err)
	}
	k, err := loadKeys(dir, openKey)
	if err != nil {
		return nil, err
	}
	return k, k.writeCreds()
}

// ReadKeys is OpenKeys for a folder that must have the keys already: those of a fabric that this process joins. It
// changes nothing in it.
func ReadKeys(dir string) (*Keys, error) {
	return loadKeys(dir, func(path string, _ func() (nkeys.KeyPair, error)) (nkeys.KeyPair, error) {
		pair, err := readKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s is not there: want the fabric's keys folder, the one that its first process made", path)
		}
		return pair, err
	})
}

func loadKeys(dir string, load func(path string, makeKey func() (nkeys.KeyPair, error)) (nkeys.KeyPair, error)) (*Keys, error) {
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
		{signingSeed, nkeys.CreateAccount, &k.signing},
	} {
		var err error
		if *f.into, err = load(filepath.Join(dir, f.name), f.make); err != nil {
			return nil, err
		}
	}
	return k, k.claim()
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
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("key %s: %w", path, err)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("key %s can be read by others (mode %04o): chmod 600 it, and think about who may have read it",
			path, info.Mode().Perm())
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", path, err)
	}
	pair, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("key %s is no nkey seed: %w", path, err)
	}
	return pair, nil
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
	return pair, writeSecret(path, seed)
}

// writeSecret writes a file that only its owner may read, whole or not at all.
func writeSecret(path string, data []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// claim makes the operator's and the accounts' JWTs. They follow from the keys, so they are made anew at each start.
func (k *Keys) claim() error {
	operator, err := k.operator.PublicKey()
	if err != nil {
		return fmt.Errorf("operator key: %w", err)
	}
	if k.systemPublic, err = k.system.PublicKey(); err != nil {
		return fmt.Errorf("system key: %w", err)
	}
	if k.clientsPublic, err = k.clients.PublicKey(); err != nil {
		return fmt.Errorf("clients key: %w", err)
	}
	if k.signingPublic, err = k.signing.PublicKey(); err != nil {
		return fmt.Errorf("signing key: %w", err)
	}
	fabricPublic, err := k.fabric.PublicKey()
	if err != nil {
		return fmt.Errorf("fabric key: %w", err)
	}
	oc := jwt.NewOperatorClaims(operator)
	oc.Name = "weft"
	oc.SystemAccount = k.systemPublic
	// Encoding fills in what a server asks of claims: who issued them, and when.
	if _, err := oc.Encode(k.operator); err != nil {
		return fmt.Errorf("operator claims: %w", err)
	}
	k.operatorClaims = oc

	system := jwt.NewAccountClaims(k.systemPublic)
	system.Name = accountSystem
	roles := jwt.NewAccountClaims(fabricPublic)
	roles.Name = accountFabric
	roles.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit,
	}
	clients := jwt.NewAccountClaims(k.clientsPublic)
	clients.Name = accountClients
	clients.Limits.Conn, clients.Limits.LeafNodeConn = 0, 0 // it never connects
	clients.SigningKeys.Add(k.signingPublic)
	k.accounts = make(map[string]string)
	for _, ac := range []*jwt.AccountClaims{system, roles, clients} {
		token, err := ac.Encode(k.operator)
		if err != nil {
			return fmt.Errorf("account %s: %w", ac.Name, err)
		}
		k.accounts[ac.Subject] = token
	}
	return nil
}

// Operator returns the operator that servers trust, SystemAccount the public key of SYS, and Accounts every account's JWT
// by its public key: what a server in operator mode is configured with.
func (k *Keys) Operator() *jwt.OperatorClaims { return k.operatorClaims }

// SystemAccount returns the public key of SYS.
func (k *Keys) SystemAccount() string { return k.systemPublic }

// Accounts returns every account's JWT by its public key.
func (k *Keys) Accounts() map[string]string { return k.accounts }

// RoleCreds returns new credentials in FABRIC for a role of this process.
func (k *Keys) RoleCreds(name string) (token string, seed []byte, err error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return "", nil, fmt.Errorf("make key: %w", err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return "", nil, fmt.Errorf("make key: %w", err)
	}
	if seed, err = pair.Seed(); err != nil {
		return "", nil, fmt.Errorf("make key: %w", err)
	}
	uc := jwt.NewUserClaims(public)
	uc.Name = name
	if token, err = uc.Encode(k.fabric); err != nil {
		return "", nil, fmt.Errorf("sign user %s: %w", name, err)
	}
	return token, seed, nil
}

// OperatorCreds returns the path of the credentials file with which the nats CLI connects.
func (k *Keys) OperatorCreds() string { return OperatorCredsIn(k.dir) }

// OperatorCredsIn returns where the operators' credentials are in a folder of keys; it makes none.
func OperatorCredsIn(dir string) string { return filepath.Join(dir, operatorCreds) }

// writeCreds writes the operators' credentials, once: a file that is there stays good, since the keys do.
func (k *Keys) writeCreds() error {
	if _, err := os.Stat(k.OperatorCreds()); err == nil {
		return nil
	}
	token, seed, err := k.RoleCreds("operator")
	if err != nil {
		return err
	}
	creds, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		return fmt.Errorf("format operator credentials: %w", err)
	}
	return writeSecret(k.OperatorCreds(), creds)
}

// Issuer returns what signs access tokens.
func (k *Keys) Issuer() *Issuer { return &Issuer{key: k.signing, account: k.clientsPublic} }

// Verifier returns what checks them; it holds no secret.
func (k *Keys) Verifier() *Verifier {
	return &Verifier{account: k.clientsPublic, signers: map[string]bool{k.signingPublic: true}}
}
