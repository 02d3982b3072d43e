package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"github.com/weft-im/weft/subjects"
)

// tagShards begins the tag of FABRIC that says for how many shards its permissions are.
const tagShards = "shards:"

// Operator returns the operator that servers trust, SystemAccount the public key of SYS, and Accounts every account's JWT
// by its public key: what a server in operator mode is configured with.
func (k *Keys) Operator() *jwt.OperatorClaims { return k.operatorClaims }

// SystemAccount returns the public key of SYS.
func (k *Keys) SystemAccount() string { return k.accounts[accountSystem].Subject }

// FabricAccount returns the public key of FABRIC.
func (k *Keys) FabricAccount() string { return k.accounts[accountFabric].Subject }

// Accounts returns every account's JWT by its public key.
func (k *Keys) Accounts() map[string]string {
	all := make(map[string]string)
	for name, token := range k.tokens {
		all[k.accounts[name].Subject] = token
	}
	return all
}

// Shards returns for how many shards the roles' permissions are.
func (k *Keys) Shards() int { return k.shards }

// readAccounts reads the JWTs of the operator and the accounts, and checks who signed them.
func (k *Keys) readAccounts() error {
	text, err := os.ReadFile(k.path(operatorJWT))
	if err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	k.operatorText = strings.TrimSpace(string(text))
	if k.operatorClaims, err = jwt.DecodeOperatorClaims(k.operatorText); err != nil {
		return fmt.Errorf("%s: %w", k.path(operatorJWT), err)
	}
	k.accounts, k.tokens = make(map[string]*jwt.AccountClaims), make(map[string]string)
	for _, name := range []string{accountSystem, accountFabric, accountClients} {
		text, err := os.ReadFile(k.path(name + ".jwt"))
		if err != nil {
			return fmt.Errorf("account %s: %w", name, err)
		}
		token := strings.TrimSpace(string(text))
		claims, err := k.checkAccount(token)
		if err != nil {
			return fmt.Errorf("%s: %w", k.path(name+".jwt"), err)
		}
		k.accounts[name], k.tokens[name] = claims, token
	}
	for _, tag := range k.accounts[accountFabric].Tags {
		if n, ok := strings.CutPrefix(tag, tagShards); ok {
			if k.shards, err = strconv.Atoi(n); err != nil {
				return fmt.Errorf("%s: tag %s", k.path(accountFabric+".jwt"), tag)
			}
		}
	}
	return nil
}

// checkAccount decodes an account's JWT that the operator has signed.
func (k *Keys) checkAccount(token string) (*jwt.AccountClaims, error) {
	claims, err := jwt.DecodeAccountClaims(token)
	if err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	if !k.operatorClaims.DidSign(claims) {
		return nil, errors.New("account: it is not signed by this fabric's operator")
	}
	return claims, nil
}

// complete makes the JWTs that are missing, and brings those that are there to what this weft gives its roles.
func (k *Keys) complete() error {
	if k.accounts == nil {
		k.accounts, k.tokens = make(map[string]*jwt.AccountClaims), make(map[string]string)
	}
	system, err := k.account(accountSystem, k.system)
	if err != nil {
		return err
	}
	if err := k.completeOperator(system.Subject); err != nil {
		return err
	}
	roles, err := k.account(accountFabric, k.fabric)
	if err != nil {
		return err
	}
	if err := k.scope(roles); err != nil {
		return err
	}
	clients, err := k.account(accountClients, k.clients)
	if err != nil {
		return err
	}
	clients.Limits.Conn, clients.Limits.LeafNodeConn = 0, 0 // it never connects
	if err := k.completeSigning(clients); err != nil {
		return err
	}
	for _, claims := range []*jwt.AccountClaims{system, roles, clients} {
		if err := k.sign(claims); err != nil {
			return err
		}
	}
	return nil
}

// completeOperator makes the operator's JWT, once.
func (k *Keys) completeOperator(system string) error {
	if k.operatorClaims != nil {
		return nil
	}
	pub, err := public(k.operator)
	if err != nil {
		return err
	}
	oc := jwt.NewOperatorClaims(pub)
	oc.Name = "weft"
	oc.SystemAccount = system
	// Encoding fills in what a server asks of claims: who issued them, and when.
	if k.operatorText, err = oc.Encode(k.operator); err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	k.operatorClaims = oc
	return writeFile(k.path(operatorJWT), []byte(k.operatorText+"\n"), 0o644)
}

// account returns the claims of an account as they are, or new ones.
func (k *Keys) account(name string, pair nkeys.KeyPair) (*jwt.AccountClaims, error) {
	pub, err := public(pair)
	if err != nil {
		return nil, err
	}
	claims := k.accounts[name]
	if claims == nil {
		claims = jwt.NewAccountClaims(pub)
		claims.Name = name
		k.accounts[name] = claims
	}
	if claims.Subject != pub {
		return nil, fmt.Errorf("%s is not of the account whose key is beside it", k.path(name+".jwt"))
	}
	// Whoever is signed by the account's own key and has no permissions of their own has none.
	if name != accountSystem {
		claims.DefaultPermissions = jwt.Permissions{
			Pub: jwt.Permission{Deny: jwt.StringList{">"}}, Sub: jwt.Permission{Deny: jwt.StringList{">"}},
		}
	}
	return claims, nil
}

// scope gives FABRIC a signing key for each role, with what the role may do.
func (k *Keys) scope(claims *jwt.AccountClaims) error {
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit,
	}
	if k.shards == 0 {
		k.shards = 1
	}
	claims.Tags = jwt.TagList{tagShards + strconv.Itoa(k.shards)}
	keys := make(jwt.SigningKeys)
	for _, role := range subjects.Roles() {
		pair, err := openKey(k.path(rolesFolder, string(role)+".nk"), nkeys.CreateAccount)
		if err != nil {
			return err
		}
		pub, err := public(pair)
		if err != nil {
			return err
		}
		keys.AddScopedSigner(scopeOf(role, pub, k.shards))
	}
	claims.SigningKeys = keys
	return nil
}

// scopeOf is a role's permissions in NATS's terms.
func scopeOf(role subjects.Role, pub string, shards int) *jwt.UserScope {
	may := subjects.PermissionsOf(role, shards)
	s := jwt.NewUserScope()
	s.Key, s.Role = pub, string(role)
	s.Template.Pub.Allow.Add(may.Pub...)
	s.Template.Pub.Deny.Add(may.PubDeny...)
	s.Template.Sub.Allow.Add(may.Sub...)
	if len(may.Pub) == 0 {
		s.Template.Pub.Deny.Add(">") // no list at all would allow everything
	}
	return s
}

// completeSigning makes the first key that signs access tokens.
func (k *Keys) completeSigning(claims *jwt.AccountClaims) error {
	files, err := k.signingFiles()
	if err != nil {
		return err
	}
	if len(claims.SigningKeys) > 0 {
		return nil
	}
	if len(files) == 0 {
		files = []string{signingSeed}
	}
	for _, name := range files {
		pair, err := openKey(k.path(name), nkeys.CreateAccount)
		if err != nil {
			return err
		}
		pub, err := public(pair)
		if err != nil {
			return err
		}
		claims.SigningKeys.Add(pub)
	}
	return nil
}

// sign writes an account's JWT, if it says anything else than the one that is there.
func (k *Keys) sign(claims *jwt.AccountClaims) error {
	path := k.path(claims.Name + ".jwt")
	if old, err := k.read(path); err != nil {
		return err
	} else if old != nil && sameAccount(old, claims) {
		claims.IssuedAt, claims.ID, claims.Issuer = old.IssuedAt, old.ID, old.Issuer
		return nil
	}
	token, err := claims.Encode(k.operator)
	if err != nil {
		return fmt.Errorf("account %s: %w", claims.Name, err)
	}
	k.tokens[claims.Name] = token
	return writeFile(path, []byte(token+"\n"), 0o644)
}

func (k *Keys) read(path string) (*jwt.AccountClaims, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	claims, err := jwt.DecodeAccountClaims(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return claims, nil
}

// sameAccount compares what accounts say, whoever signed them when.
func sameAccount(a, b *jwt.AccountClaims) bool {
	x, y := *a, *b
	for _, c := range []*jwt.AccountClaims{&x, &y} {
		c.IssuedAt, c.ID, c.Issuer = 0, "", ""
	}
	return x.String() == y.String() // String is their JSON
}

// Revoke takes credentials back: whoever has been given this public user key before now is not let in any more, and is
// disconnected once the servers have the account's new JWT. It returns that.
func (k *Keys) Revoke(user string) (account string, err error) {
	if !k.Master() {
		return "", errNotMaster
	}
	if !nkeys.IsValidPublicUserKey(user) {
		return "", fmt.Errorf("%q is no public user key (U…)", user)
	}
	claims := k.accounts[accountFabric]
	claims.Revoke(user)
	return k.resigned(claims)
}

func (k *Keys) resigned(claims *jwt.AccountClaims) (string, error) {
	if err := k.sign(claims); err != nil {
		return "", err
	}
	if _, err := os.Stat(k.path(serverConf)); err == nil { // it says the same
		if err := k.WriteServerConf(); err != nil {
			return "", err
		}
	}
	return k.tokens[claims.Name], nil
}

// RotateRole gives a role a new signing key: all credentials of the role that are there end, also those in this folder,
// which are made anew. It returns the account's new JWT, for the servers.
func (k *Keys) RotateRole(role subjects.Role) (account string, err error) {
	if !k.Master() {
		return "", errNotMaster
	}
	if !slices.Contains(subjects.Roles(), role) {
		return "", fmt.Errorf("there is no role %q", role)
	}
	if _, err := newKey(k.path(rolesFolder, string(role)+".nk"), nkeys.CreateAccount); err != nil {
		return "", err
	}
	if err := k.scope(k.accounts[accountFabric]); err != nil {
		return "", err
	}
	if account, err = k.resigned(k.accounts[accountFabric]); err != nil {
		return "", err
	}
	if _, err := os.Stat(k.CredsFile(role)); err == nil {
		return account, k.rewriteCreds(role)
	}
	return account, nil
}

// Rotate makes a new key for signing access tokens. Tokens of the keys before stay good until Retire. It returns the
// account's new JWT, for the servers and the edges.
func (k *Keys) Rotate(now time.Time) (account string, err error) {
	if !k.Master() {
		return "", errNotMaster
	}
	pair, err := newKey(k.path(signingPrefix+now.UTC().Format(signingTime)+".nk"), nkeys.CreateAccount)
	if err != nil {
		return "", err
	}
	pub, err := public(pair)
	if err != nil {
		return "", err
	}
	claims := k.accounts[accountClients]
	claims.SigningKeys.Add(pub)
	return k.resigned(claims)
}

// RetireAfter is how long the keys before a new one must stay: for as long as a token that they signed may be good.
const RetireAfter = AccessLife + 2*Skew

// Retire ends all keys that sign access tokens but the newest. It refuses while tokens of the older ones may be good,
// unless atOnce: then their holders refresh them, which logs nobody out.
func (k *Keys) Retire(now time.Time, atOnce bool) (account string, err error) {
	if !k.Master() {
		return "", errNotMaster
	}
	files, err := k.signingFiles()
	if err != nil {
		return "", err
	}
	if len(files) < 2 {
		return "", errors.New("there is one signing key only: rotate first")
	}
	newest := files[len(files)-1]
	info, err := os.Stat(k.path(newest))
	if err != nil {
		return "", fmt.Errorf("key %s: %w", newest, err)
	}
	if left := RetireAfter - now.Sub(info.ModTime()); left > 0 && !atOnce {
		return "", fmt.Errorf("the newest signing key is %s old: tokens of those before it may be good for another %s",
			now.Sub(info.ModTime()).Round(time.Second), left.Round(time.Second))
	}
	pair, err := readKey(k.path(newest))
	if err != nil {
		return "", err
	}
	pub, err := public(pair)
	if err != nil {
		return "", err
	}
	claims := k.accounts[accountClients]
	claims.SigningKeys = make(jwt.SigningKeys)
	claims.SigningKeys.Add(pub)
	if account, err = k.resigned(claims); err != nil {
		return "", err
	}
	for _, name := range files[:len(files)-1] {
		if err := os.Remove(k.path(name)); err != nil {
			return "", fmt.Errorf("key %s: %w", name, err)
		}
	}
	return account, nil
}

// Clients is the account of the end users' tokens: which keys sign them now. It is public.
type Clients struct {
	JWT      string // as the operator signed it
	Account  string
	Signers  []string
	IssuedAt int64 // Unix seconds
}

// Clients returns the account as the folder has it, CheckClients reads one that came from elsewhere: it must be this
// fabric's, signed by its operator.
func (k *Keys) Clients() Clients {
	return clientsOf(k.tokens[accountClients], k.accounts[accountClients])
}

func (k *Keys) CheckClients(token string) (Clients, error) {
	claims, err := k.checkAccount(token)
	if err != nil {
		return Clients{}, err
	}
	if claims.Subject != k.accounts[accountClients].Subject {
		return Clients{}, fmt.Errorf("account %s is not that of this fabric's clients", claims.Subject)
	}
	return clientsOf(token, claims), nil
}

func clientsOf(token string, claims *jwt.AccountClaims) Clients {
	return Clients{JWT: token, Account: claims.Subject, Signers: slices.Sorted(maps.Keys(claims.SigningKeys)), IssuedAt: claims.IssuedAt}
}
