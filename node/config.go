package node

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/weft-im/weft/door"
	"github.com/weft-im/weft/edge"
	"github.com/weft-im/weft/oidc"
	"github.com/weft-im/weft/push"
	"github.com/weft-im/weft/users"
)

// Config is what a process of Weft is made from. With Data and without NATS it is a fabric of its own; otherwise it is
// one of several, which meet on the NATS server that NATS names.
type Config struct {
	Roles []Role // what the process does; nil is all of them

	// Data is the folder that keeps what the process keeps: keys, the embedded NATS server's streams, SQLite. It is
	// empty where NATS is given.
	Data       string
	NATSListen string        // of the embedded server
	Sync       time.Duration // see natsconfig.ServerConfig

	NATS     External // a NATS server that is there; the zero value embeds one
	Keys     string   // folder of the fabric's keys; in Data without it
	Postgres string   // the database's URL; SQL is in Data without it

	Door      door.Config // for clients, where the process is an edge
	OpsListen string      // for operators

	// What a fabric is made with, and brought to. 0 leaves it as it is, see natsconfig.FabricConfig.
	Shards   int
	Replicas int
	Window   time.Duration

	// Where files are, as they come in and, without MediaS3, as they stay: on the NATS servers at these URLs, with the
	// credentials of NATS; on a server of the process's own; or else where the fabric says or, if it says nothing, on its
	// own servers.
	MediaNATS   string
	MediaServer MediaServer

	MediaS3 string // keep finished files there: see blob.OpenS3; on NATS without it
	Clamd   string // where ClamAV's daemon listens, which scans uploads; "" for none
	Scan    bool   // uploads are scanned, by whoever answers on weft.media.scan

	Dev         bool        // see users.Config
	Codes       users.Rates // of one-time codes; zero values mean the defaults
	NoCodes     bool        // nobody signs in by phone
	SendCodes   Webhook     // takes one-time codes; the zero value leaves that to whoever answers on otp.send
	Push        push.Config // how devices are told of what comes while their app is not there
	OIDC        oidc.Config // an organisation's issuer that signs people in; the zero value is none
	Limits      edge.Limits
	StayDrained bool          // an edge that an operator has drained stays, not ready, instead of ending the process
	EditWindow  time.Duration // how long after it was written a message may be edited; 0 is history.Config's default
	Log         *slog.Logger
}

// Webhook is somebody's HTTP server, and the secret that signs what it is posted.
type Webhook struct{ URL, Secret string }

// External is a NATS server or cluster that somebody else runs.
type External struct {
	URLs  string // of its servers, separated by commas
	Creds string // a credentials file; "" where the URLs say who connects, or nobody asks
	CA    string // certificates that the servers' TLS is checked by; "" for the system's
}

// Role is a part of the fabric's work that a process does.
type Role string

// The roles, by the packages that do their work.
const (
	Edge     Role = "edge"
	Users    Role = "users"
	Chats    Role = "chats"
	History  Role = "history"
	Presence Role = "presence"
	Receipts Role = "receipts"
	Ingest   Role = "ingest"
	OTP      Role = "otp" // only where there is a webhook for it
	Media    Role = "media"
	Scan     Role = "scan" // only where there is a clamd for it
	Push     Role = "push"
)

// Roles returns all roles.
func Roles() []Role {
	return []Role{Edge, Users, Chats, History, Presence, Receipts, Ingest, OTP, Media, Scan, Push}
}

// ParseRoles reads names of roles, each once; none are all.
func ParseRoles(names []string) ([]Role, error) {
	var roles []Role
	for _, name := range names {
		r := Role(strings.TrimSpace(name))
		switch {
		case !slices.Contains(Roles(), r):
			return nil, fmt.Errorf("there is no role %q: want some of %s", name, joined(Roles()))
		case !slices.Contains(roles, r):
			roles = append(roles, r)
		}
	}
	if len(roles) == 0 {
		return Roles(), nil
	}
	return roles, nil
}

func joined(roles []Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}

// has reports whether the process does any of the roles' work.
func (c Config) has(roles ...Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(c.Roles, r) })
}

// sql returns those of the process's roles that need a database.
func (c Config) sql() (roles []Role) {
	for _, r := range []Role{Users, Chats, History, Ingest, Media, Push} {
		if c.has(r) {
			roles = append(roles, r)
		}
	}
	return roles
}

// complete fills in defaults, and refuses what does not go together. Errors name the flags of cmd/weft.
func (c Config) complete() (Config, error) {
	switch {
	case len(c.Roles) == 0 || len(c.Roles) == len(Roles()):
		c.Roles = Roles()
	case c.has(OTP) && c.SendCodes.URL == "":
		return c, errors.New("--otp-webhook is missing: where the role otp posts one-time codes")
	case c.has(Scan) && c.Clamd == "":
		return c, errors.New("--clamd is missing: where ClamAV's daemon listens, to which the role scan shows files")
	}
	external := c.NATS.URLs != ""
	switch {
	case external && len(c.MediaServer.Command) > 0:
		return c, errors.New("a server for files of the process's own needs a data folder: with --nats, --media-nats says where files are")
	case external && c.Data != "":
		return c, errors.New("a data folder is for a process with a NATS server in it: --nats and --data exclude each other")
	case !external && c.Data == "":
		return c, errors.New("--nats is missing: the URL of the NATS server on which the fabric's processes meet")
	case external && c.Postgres == "" && len(c.sql()) > 0:
		return c, fmt.Errorf("--postgres is missing: the roles %s keep what they know in PostgreSQL (or leave them out of --roles)", joined(c.sql()))
	case external && c.Keys == "" && c.has(Edge, Users):
		return c, errors.New("--keys is missing: the folder of the fabric's keys, with which tokens are made and checked")
	}
	return c, nil
}
