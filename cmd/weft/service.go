package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// serviceCmd registers and changes internal services.
type serviceCmd struct {
	Add    serviceAddCmd    `cmd:"" help:"Register a service: a named account that users see, and credentials on NATS that reach as far as its name."`
	Ls     serviceLsCmd     `cmd:"" help:"List services."`
	Set    serviceSetCmd    `cmd:"" help:"Change what a service may do."`
	Rotate serviceRotateCmd `cmd:"" help:"Make new credentials, and end those that it has."`
	Remove serviceRemoveCmd `cmd:"" help:"Remove a service: its credentials end, and nobody can write to it. What it has written stays."`
}

// rights reads what a service may send to.
func rights(list []string) (users, groups bool, err error) {
	for _, r := range list {
		switch strings.TrimSpace(r) {
		case "user", "users":
			users = true
		case "group", "groups":
			groups = true
		case "":
		default:
			return false, false, fmt.Errorf("--may-send: want user, group or both, got %q", r)
		}
	}
	return users, groups, nil
}

// perSecond reads a rate as 100/s, 600/m or 3600/h.
func perSecond(text string) (float64, error) {
	number, unit, given := strings.Cut(text, "/")
	per, known := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || given && !known {
		return 0, fmt.Errorf("--rate: want a number by time, as in 100/s, 600/m or 3600/h, got %q", text)
	}
	if !given {
		per = 1
	}
	return n / per, nil
}

// request asks the services' role as an operator.
func request[Reply any](ctx context.Context, f controlFlags, verb subjects.Verb, req any) (Reply, error) {
	var none Reply
	nc, err := f.connect(subjects.RoleOperator)
	if err != nil {
		return none, err
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(ctx, 4*connectWithin)
	defer cancel()
	return service.Call[Reply](ctx, nc, verb, req)
}

// credsFlags say where a service's credentials go.
type credsFlags struct {
	To      string `default:"." help:"Folder for NAME.creds." placeholder:"DIR"`
	Context string `help:"Name of the nats CLI's context; the service's without it, none with -." placeholder:"NAME"`
}

// path returns where the credentials of a service go.
func (c credsFlags) path(name string) (string, error) {
	path, err := filepath.Abs(filepath.Join(c.To, name+".creds"))
	if err != nil {
		return "", fmt.Errorf("--to: %w", err)
	}
	return path, nil
}

// write writes the credentials, and a context of the nats CLI with them.
func (c credsFlags) write(f controlFlags, name string, creds []byte) error {
	path, err := c.path(name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, creds, 0o600); err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	fmt.Printf("  credentials  %s\n", path)
	if c.Context == "-" {
		return nil
	}
	as := c.Context
	if as == "" {
		as = name
	}
	file, err := natsContext(as)
	if err != nil {
		return err
	}
	ca := f.CA
	if ca != "" {
		if ca, err = filepath.Abs(ca); err != nil {
			return fmt.Errorf("--tls-ca: %w", err)
		}
	}
	data, err := json.MarshalIndent(map[string]string{
		"description": "Weft: the service " + name, "url": f.NATS, "creds": path, "ca": ca,
		"inbox_prefix": subjects.ServiceInboxPrefix(name), // replies come there, and nobody else may listen
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("context: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("context: %w", err)
	}
	if err := os.WriteFile(file, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("context: %w", err)
	}
	fmt.Printf("  context      nats --context %s req 'svc.%s.send.u.<user id>' '{\"cid\":\"<uuid>\",\"kind\":\"text\",\"body\":{\"text\":\"hello\"}}'\n"+
		"               nats --context %s sub 'svc.%s.inbox.>'\n", as, name, as, name)
	return nil
}

// natsContext returns the file of a context of the nats CLI.
func natsContext(name string) (string, error) {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("context: %w", err)
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "nats", "context", name+".json"), nil
}

type serviceAddCmd struct {
	controlFlags
	credsFlags

	Name    string   `arg:"" help:"2 to 32 of a-z, 0-9 and -, first a letter." placeholder:"NAME"`
	Title   string   `help:"What users see it as; the name without it." placeholder:"TEXT"`
	MaySend []string `name:"may-send" default:"user" help:"Whom it may write to: user, group or both." placeholder:"user,group"`
	Rate    string   `default:"100/s" help:"How many messages it may send." placeholder:"N/s"`
	Webhook string   `help:"URL to which what users write to it is posted, signed; for services without a NATS client." placeholder:"URL"`
}

// Run registers the service and makes its credentials.
func (c *serviceAddCmd) Run(ctx context.Context) error {
	req := contract.ServicesAddRequest{Name: c.Name, Title: c.Title, Webhook: c.Webhook}
	var err error
	if req.MayUsers, req.MayGroups, err = rights(c.MaySend); err != nil {
		return err
	}
	if req.Rate, err = perSecond(c.Rate); err != nil {
		return err
	}
	path, err := c.path(c.Name)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is there already: is there such a service?", path)
	}
	k, err := c.keys()
	if err != nil {
		return err
	}
	creds, user, err := k.ServiceCreds(c.Name)
	if err != nil {
		return err
	}
	req.Credential = user
	reply, err := request[contract.ServicesAddReply](ctx, c.controlFlags, subjects.ServicesAdd, req)
	if err != nil {
		return fmt.Errorf("add %s: %w", c.Name, err)
	}
	fmt.Printf("Service %s is there, as user %s.\n", reply.Name, reply.User)
	tellSecret(reply.Secret)
	return c.write(c.controlFlags, c.Name, creds)
}

func tellSecret(secret string) {
	if secret != "" {
		fmt.Printf("  webhook's secret (it is not shown again)  %s\n", secret)
	}
}

type serviceLsCmd struct {
	controlFlags
	outputFlags
}

// Run lists.
func (c *serviceLsCmd) Run(ctx context.Context) error {
	reply, err := request[contract.ServicesListReply](ctx, c.controlFlags, subjects.ServicesList, contract.ServicesListRequest{})
	if err != nil {
		return err
	}
	return c.print(reply, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "NAME\tUSER\tTITLE\tMAY SEND\tRATE\tWEBHOOK\tSINCE")
		for _, s := range reply.Services {
			var may []string
			if s.MayUsers {
				may = append(may, "user")
			}
			if s.MayGroups {
				may = append(may, "group")
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%g/s\t%s\t%s\n", s.Name, s.User, s.Title, strings.Join(may, ","), s.Rate, s.Webhook,
				time.UnixMilli(s.CreatedAt).UTC().Format(time.DateOnly))
		}
	})
}

type serviceSetCmd struct {
	controlFlags

	Name      string   `arg:"" placeholder:"NAME"`
	Title     *string  `help:"What users see it as." placeholder:"TEXT"`
	MaySend   []string `name:"may-send" help:"Whom it may write to: user, group or both." placeholder:"user,group"`
	Rate      string   `help:"How many messages it may send." placeholder:"N/s"`
	Webhook   *string  `help:"URL to post to; empty for none." placeholder:"URL"`
	NewSecret bool     `name:"new-secret" help:"Make a new secret for the webhook."`
}

// Run changes.
func (c *serviceSetCmd) Run(ctx context.Context) error {
	req := contract.ServicesSetRequest{Name: c.Name, Title: c.Title, Webhook: c.Webhook, NewSecret: c.NewSecret}
	if len(c.MaySend) > 0 {
		users, groups, err := rights(c.MaySend)
		if err != nil {
			return err
		}
		req.MayUsers, req.MayGroups = &users, &groups
	}
	if c.Rate != "" {
		rate, err := perSecond(c.Rate)
		if err != nil {
			return err
		}
		req.Rate = &rate
	}
	reply, err := request[contract.ServicesAddReply](ctx, c.controlFlags, subjects.ServicesSet, req)
	if err != nil {
		return err
	}
	fmt.Printf("Service %s is changed.\n", reply.Name)
	tellSecret(reply.Secret)
	return nil
}

type serviceRotateCmd struct {
	controlFlags
	credsFlags

	Name string `arg:"" placeholder:"NAME"`
}

// Run makes new credentials, has the service go by them, and revokes the old ones.
func (c *serviceRotateCmd) Run(ctx context.Context) error {
	k, err := c.keys()
	if err != nil {
		return err
	}
	old, err := c.credential(ctx, c.Name)
	if err != nil {
		return err
	}
	creds, user, err := k.ServiceCreds(c.Name)
	if err != nil {
		return err
	}
	if _, err := request[contract.ServicesAddReply](ctx, c.controlFlags, subjects.ServicesSet,
		contract.ServicesSetRequest{Name: c.Name, Credential: &user}); err != nil {
		return err
	}
	if err := c.write(c.controlFlags, c.Name, creds); err != nil {
		return err
	}
	return c.revoke(ctx, k, old)
}

// credential returns the public user key of a service's credentials.
func (f controlFlags) credential(ctx context.Context, name string) (string, error) {
	list, err := request[contract.ServicesListReply](ctx, f, subjects.ServicesList, contract.ServicesListRequest{})
	if err != nil {
		return "", err
	}
	for _, s := range list.Services {
		if s.Name == name {
			return s.Credential, nil
		}
	}
	return "", fmt.Errorf("there is no service %q", name)
}

// revoke ends credentials on the servers; "" is none.
func (f controlFlags) revoke(ctx context.Context, k *auth.Keys, user string) error {
	if user == "" {
		return nil
	}
	account, err := k.Revoke(user)
	if err != nil {
		return err
	}
	return f.push(ctx, account)
}

type serviceRemoveCmd struct {
	controlFlags

	Name string `arg:"" placeholder:"NAME"`
}

// Run ends the service's credentials, then the service.
func (c *serviceRemoveCmd) Run(ctx context.Context) error {
	k, err := c.keys()
	if err != nil {
		return err
	}
	credential, err := c.credential(ctx, c.Name)
	if err != nil {
		return err
	}
	if err := c.revoke(ctx, k, credential); err != nil {
		return err
	}
	if _, err := request[contract.Service](ctx, c.controlFlags, subjects.ServicesRemove, contract.ServicesRemoveRequest{Name: c.Name}); err != nil {
		return err
	}
	fmt.Printf("Service %s is removed.\n", c.Name)
	return nil
}
