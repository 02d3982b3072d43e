package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/subjects"
)

// authCmd makes and changes the fabric's keys, accounts and credentials.
type authCmd struct {
	Init   authInitCmd   `cmd:"" help:"Make the keys, accounts and credentials of a fabric that is to run as several processes; what is there stays."`
	Bundle authBundleCmd `cmd:"" help:"Copy what a host needs that runs some of the roles, and no more."`
	Creds  authCredsCmd  `cmd:"" help:"Make new credentials of a role."`
	Revoke authRevokeCmd `cmd:"" help:"Take credentials back: who uses them is disconnected."`
	Rotate authRotateCmd `cmd:"" help:"Make a new key for signing access tokens, which logs nobody out; or, with --role, end all credentials of a role."`
	Retire authRetireCmd `cmd:"" help:"End the keys before the newest that signs access tokens."`
	TLS    authTLSCmd    `cmd:"" name:"tls" help:"Make a certificate for NATS servers, by an authority of your own that is made with the first one."`
	Push   authPushCmd   `cmd:"" help:"Give the servers the accounts as they are in the keys' folder."`
}

// processRoles are those that `weft serve` runs, in whose names its connections are.
func processRoles() []subjects.Role {
	var roles []subjects.Role
	for _, r := range subjects.Roles() {
		switch r {
		case subjects.RoleOperator, subjects.RoleService:
		default:
			roles = append(roles, r)
		}
	}
	return roles
}

type authInitCmd struct {
	Dir    string `arg:"" help:"Folder for them." placeholder:"DIR"`
	Shards int    `default:"0" help:"Streams that hold the logs, as the fabric is made with; stays as it is without it, at first 1."`
}

// Run makes what is missing, and brings the roles' permissions to what this weft needs.
func (c *authInitCmd) Run() error {
	k, err := auth.OpenKeys(c.Dir, c.Shards)
	if err != nil {
		return err
	}
	if err := errors.Join(k.WriteCreds(processRoles()...), k.WriteSystemCreds(), k.WriteServerConf()); err != nil {
		return err
	}
	fmt.Printf("The fabric's keys are in %s, for %d shard(s). Whoever has this folder can be anyone: keep it off the network, and a copy elsewhere.\n"+
		"Copy to each host what its roles need: weft auth bundle %s --roles edge --to DIR\n", c.Dir, k.Shards(), c.Dir)
	return nil
}

type authBundleCmd struct {
	Dir   string   `arg:"" help:"The folder that weft auth init made." placeholder:"DIR"`
	Roles []string `help:"Roles of the host; provision besides makes and changes streams. Without any: what a NATS server needs." placeholder:"ROLE,…"`
	To    string   `required:"" help:"Folder for the copy: what weft serve takes as --keys." placeholder:"DIR"`
}

// Run copies.
func (c *authBundleCmd) Run() error {
	k, err := auth.ReadKeys(c.Dir)
	if err != nil {
		return err
	}
	roles := make([]subjects.Role, 0, len(c.Roles))
	for _, r := range c.Roles {
		roles = append(roles, subjects.Role(strings.TrimSpace(r)))
	}
	return k.Bundle(c.To, roles...)
}

type authCredsCmd struct {
	controlFlags

	Role string `arg:"" help:"Whose: a role, or operator for a person." placeholder:"ROLE"`
	Name string `help:"What the connection is called in the servers' reports; the role's name without it." placeholder:"NAME"`
	To   string `required:"" help:"File for them." placeholder:"FILE"`
}

// Run makes credentials.
func (c *authCredsCmd) Run() error {
	k, err := c.keys()
	if err != nil {
		return err
	}
	if _, err := os.Stat(c.To); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--to: %s is there already", c.To)
	}
	user, err := k.NewCreds(subjects.Role(c.Role), c.Name, c.To)
	if err != nil {
		return err
	}
	fmt.Printf("%s: credentials of role %s, user %s\n", c.To, c.Role, user)
	return nil
}

type authRevokeCmd struct {
	controlFlags

	User string `arg:"" help:"A credentials file, or the public user key (U…) of one that is lost." placeholder:"FILE|KEY"`
}

// Run revokes.
func (c *authRevokeCmd) Run(ctx context.Context) error {
	k, err := c.keys()
	if err != nil {
		return err
	}
	user := c.User
	if _, err := os.Stat(c.User); err == nil {
		if user, err = auth.UserOfCreds(c.User); err != nil {
			return err
		}
	}
	account, err := k.Revoke(user)
	if err != nil {
		return err
	}
	if err := c.push(ctx, account); err != nil {
		return err
	}
	fmt.Printf("%s is revoked.\n", user)
	return c.audit(ctx, audit.Event{What: audit.KeyRotated, Detail: "credentials revoked: " + user})
}

type authRotateCmd struct {
	controlFlags

	Role string `help:"End all credentials of this role, and make new ones in the keys' folder." placeholder:"ROLE"`
}

// Run rotates.
func (c *authRotateCmd) Run(ctx context.Context) error {
	k, err := c.keys()
	if err != nil {
		return err
	}
	if c.Role != "" {
		account, err := k.RotateRole(subjects.Role(c.Role))
		if err != nil {
			return err
		}
		if err := c.push(ctx, account); err != nil {
			return err
		}
		fmt.Printf("All credentials of role %s have ended; new ones are in %s. Bring them to its hosts.\n", c.Role, k.CredsFile(subjects.Role(c.Role)))
		return c.audit(ctx, audit.Event{What: audit.KeyRotated, Detail: "role " + c.Role})
	}
	account, err := k.Rotate(time.Now())
	if err != nil {
		return err
	}
	if err := errors.Join(c.push(ctx, account), c.tellClients(ctx, k)); err != nil {
		return err
	}
	fmt.Printf("There is a new key that signs access tokens. Bring it to the hosts of the users role (weft auth bundle); they use it from then on.\n"+
		"After %s run weft auth retire.\n", auth.RetireAfter)
	return c.audit(ctx, audit.Event{What: audit.KeyRotated, Detail: "access tokens: new key"})
}

type authRetireCmd struct {
	controlFlags

	Now bool `help:"Also while older tokens may be good: a key was stolen. Clients refresh their tokens; nobody is logged out."`
}

// Run retires.
func (c *authRetireCmd) Run(ctx context.Context) error {
	k, err := c.keys()
	if err != nil {
		return err
	}
	account, err := k.Retire(time.Now(), c.Now)
	if err != nil {
		return err
	}
	if err := errors.Join(c.push(ctx, account), c.tellClients(ctx, k)); err != nil {
		return err
	}
	fmt.Println("Only the newest key signs access tokens, and tokens of no other are taken.")
	return c.audit(ctx, audit.Event{What: audit.KeyRotated, Detail: "access tokens: older keys ended"})
}

type authPushCmd struct{ controlFlags }

// Run pushes all accounts.
func (c *authPushCmd) Run(ctx context.Context) error {
	k, err := c.keys()
	if err != nil {
		return err
	}
	var accounts []string
	for _, token := range k.Accounts() {
		accounts = append(accounts, token)
	}
	if err := errors.Join(c.push(ctx, accounts...), c.tellClients(ctx, k)); err != nil {
		return err
	}
	fmt.Println("The servers have the accounts as they are in", c.keysDir())
	return nil
}

type authTLSCmd struct {
	Dir   string   `arg:"" help:"Folder for it." placeholder:"DIR"`
	Hosts []string `required:"" help:"Names and addresses that it is for." placeholder:"HOST,…"`
}

// Run makes a certificate.
func (c *authTLSCmd) Run() error {
	if err := auth.MakeTLS(c.Dir, c.Hosts, time.Now()); err != nil {
		return err
	}
	fmt.Printf("%s has %s, %s and, for those who check them, %s. Keep the authority's key (ca-key.pem) off the servers.\n",
		c.Dir, auth.TLSCert, auth.TLSKey, auth.TLSCA)
	return nil
}
