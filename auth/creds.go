package auth

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/weft-im/weft/subjects"
)

// systemCreds are the credentials in SYS, by which accounts are pushed to the servers and servers are looked at.
const systemCreds = "sys"

// CredsFile returns where a role's credentials are in the folder; the file need not be there.
func (k *Keys) CredsFile(role subjects.Role) string { return credsIn(k.dir, string(role)) }

// SystemCredsFile returns where those of the system account are.
func (k *Keys) SystemCredsFile() string { return credsIn(k.dir, systemCreds) }

// OperatorCredsIn returns where the operators' credentials are in a folder of keys; it makes none.
func OperatorCredsIn(dir string) string { return credsIn(dir, string(subjects.RoleOperator)) }

func credsIn(dir, name string) string {
	return (&Keys{dir: dir}).path(credsFolder, name+".creds")
}

// Creds returns credentials of a role: those in the folder where they are there, otherwise new ones by the role's signing
// key. The error is fs.ErrNotExist where the folder has neither.
func (k *Keys) Creds(role subjects.Role) (token string, seed []byte, err error) {
	if pair, err := readKey(k.path(rolesFolder, string(role)+".nk")); err == nil {
		return k.signUser(string(role), pair)
	}
	return readCreds(k.CredsFile(role))
}

// Has reports whether Creds has credentials of a role to give.
func (k *Keys) Has(role subjects.Role) bool {
	for _, path := range []string{k.path(rolesFolder, string(role)+".nk"), k.CredsFile(role)} {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return false
}

// SystemCreds returns credentials in SYS, likewise.
func (k *Keys) SystemCreds() (token string, seed []byte, err error) {
	if k.system == nil {
		return readCreds(k.SystemCredsFile())
	}
	uc, seed, err := newUser(systemCreds)
	if err != nil {
		return "", nil, err
	}
	if token, err = uc.Encode(k.system); err != nil {
		return "", nil, fmt.Errorf("sign user %s: %w", uc.Name, err)
	}
	return token, seed, nil
}

func readCreds(path string) (token string, seed []byte, err error) {
	data, err := readSecret(path)
	if err != nil {
		return "", nil, err
	}
	if token, err = jwt.ParseDecoratedJWT(data); err != nil {
		return "", nil, fmt.Errorf("credentials %s: %w", path, err)
	}
	pair, err := jwt.ParseDecoratedNKey(data)
	if err != nil {
		return "", nil, fmt.Errorf("credentials %s: %w", path, err)
	}
	if seed, err = pair.Seed(); err != nil {
		return "", nil, fmt.Errorf("credentials %s: %w", path, err)
	}
	return token, seed, nil
}

// newUser returns the claims of a user with a key of its own, and the key's seed.
func newUser(name string) (*jwt.UserClaims, []byte, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	pub, err := public(pair)
	if err != nil {
		return nil, nil, err
	}
	seed, err := pair.Seed()
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	uc := jwt.NewUserClaims(pub)
	uc.Name = name
	return uc, seed, nil
}

// signUser makes a user of FABRIC by a role's signing key. All that they may do is the key's scope's to say.
func (k *Keys) signUser(name string, signer nkeys.KeyPair) (token string, seed []byte, err error) {
	uc, seed, err := newUser(name)
	if err != nil {
		return "", nil, err
	}
	uc.IssuerAccount = k.FabricAccount()
	uc.UserPermissionLimits = jwt.UserPermissionLimits{} // a scoped user has none of its own
	if token, err = uc.Encode(signer); err != nil {
		return "", nil, fmt.Errorf("sign user %s: %w", name, err)
	}
	return token, seed, nil
}

// WriteCreds writes the credentials of roles into the folder, where they are not there yet or no longer good.
func (k *Keys) WriteCreds(roles ...subjects.Role) error {
	for _, role := range roles {
		if k.signedNow(k.CredsFile(role)) {
			continue
		}
		if err := k.rewriteCreds(role); err != nil {
			return err
		}
	}
	return nil
}

// WriteSystemCreds writes those of the system account.
func (k *Keys) WriteSystemCreds() error {
	if _, err := os.Stat(k.SystemCredsFile()); err == nil {
		return nil
	}
	token, seed, err := k.SystemCreds()
	if err != nil {
		return err
	}
	return writeCreds(k.SystemCredsFile(), token, seed)
}

func (k *Keys) rewriteCreds(role subjects.Role) error {
	signer, err := readKey(k.path(rolesFolder, string(role)+".nk"))
	if err != nil {
		return err
	}
	token, seed, err := k.signUser(string(role), signer)
	if err != nil {
		return err
	}
	return writeCreds(k.CredsFile(role), token, seed)
}

func writeCreds(path, token string, seed []byte) error {
	creds, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		return fmt.Errorf("format credentials: %w", err)
	}
	return writeFile(path, creds, 0o600)
}

// signedNow reports whether the credentials in a file are of a signing key that the account has.
func (k *Keys) signedNow(path string) bool {
	token, _, err := readCreds(path)
	if err != nil {
		return false
	}
	uc, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return false
	}
	return k.accounts[accountFabric].SigningKeys.Contains(uc.Issuer) && !k.accounts[accountFabric].IsClaimRevoked(uc)
}

// serviceName is what an internal service may be called: it is a token of its subjects.
var serviceName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}[a-z0-9]$`)

// ValidServiceName reports whether an internal service may be called so: 2 to 32 of a-z, 0-9 and -, first a letter.
func ValidServiceName(name string) bool { return serviceName.MatchString(name) }

// ServiceCreds makes new credentials for an internal service, as a credentials file has them, and returns the public key
// by which Revoke takes them back.
func (k *Keys) ServiceCreds(name string) (creds []byte, user string, err error) {
	if !ValidServiceName(name) {
		return nil, "", fmt.Errorf("service %q: want 2 to 32 of a-z, 0-9 and -, first a letter, last no -", name)
	}
	signer, err := readKey(k.path(rolesFolder, string(subjects.RoleService)+".nk"))
	if err != nil {
		return nil, "", errors.Join(errNotMaster, err)
	}
	token, seed, err := k.signUser(name, signer)
	if err != nil {
		return nil, "", err
	}
	uc, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return nil, "", fmt.Errorf("service %s: %w", name, err)
	}
	if creds, err = jwt.FormatUserConfig(token, seed); err != nil {
		return nil, "", fmt.Errorf("format credentials: %w", err)
	}
	return creds, uc.Subject, nil
}

// UserOfCreds returns the public user key of a credentials file, for Revoke.
func UserOfCreds(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("credentials: %w", err)
	}
	token, err := jwt.ParseDecoratedJWT(data)
	if err != nil {
		return "", fmt.Errorf("credentials %s: %w", path, err)
	}
	uc, err := jwt.DecodeUserClaims(token)
	if err != nil {
		return "", fmt.Errorf("credentials %s: %w", path, err)
	}
	return uc.Subject, nil
}

// NewCreds writes new credentials of a role to a file, and returns the public user key by which Revoke takes them back.
// The name is what the servers report the connection as; the role's where it is empty.
func (k *Keys) NewCreds(role subjects.Role, name, path string) (user string, err error) {
	if role == subjects.RoleService {
		return "", errors.New("an internal service's credentials are made by `weft service add`")
	}
	signer, err := readKey(k.path(rolesFolder, string(role)+".nk"))
	if err != nil {
		return "", errors.Join(errNotMaster, err)
	}
	if name == "" {
		name = string(role)
	}
	token, seed, err := k.signUser(name, signer)
	if err != nil {
		return "", err
	}
	if err := writeCreds(path, token, seed); err != nil {
		return "", err
	}
	return UserOfCreds(path)
}

// Bundle copies into another folder what a host needs that runs some roles: the public JWTs, the roles' credentials and,
// for users, the keys that sign access tokens. Everything else stays where it is.
func (k *Keys) Bundle(to string, roles ...subjects.Role) error {
	for _, role := range roles {
		if _, err := os.Stat(k.CredsFile(role)); err != nil {
			return fmt.Errorf("role %q: %w: run `weft auth init` on the folder", role, err)
		}
	}
	if err := os.MkdirAll(filepath.Join(to, credsFolder), 0o700); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	files := []string{operatorJWT}
	for _, name := range []string{serverConf, accountConf} {
		if _, err := os.Stat(k.path(name)); err == nil {
			files = append(files, name)
		}
	}
	for name := range k.tokens {
		files = append(files, name+".jwt")
	}
	for _, role := range roles {
		files = append(files, filepath.Join(credsFolder, string(role)+".creds"))
		if role == subjects.RoleUsers {
			signing, err := k.signingFiles()
			if err != nil {
				return err
			}
			files = append(files, signing...)
		}
	}
	for _, name := range files {
		data, err := os.ReadFile(k.path(name))
		if err != nil {
			return fmt.Errorf("bundle: %w", err)
		}
		mode := os.FileMode(0o600)
		if ext := filepath.Ext(name); ext == ".jwt" || ext == ".conf" {
			mode = 0o644
		}
		if err := writeFile(filepath.Join(to, name), data, mode); err != nil {
			return err
		}
	}
	return nil
}
