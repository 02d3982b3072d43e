package edge

import (
	"errors"
	"fmt"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// Limits bound what one session, user or address may cost. Clients are told all of them in `info` and /v1/limits.
// Operators set them by these names. An address of IPv6 counts with its /64.
type Limits struct {
	FrameBytes     int `json:"frame_bytes"`      // a frame from a client; a larger one is answered with too_large
	BodyBytes      int `json:"body_bytes"`       // a message's body as JSON
	QueueBytes     int `json:"queue_bytes"`      // what may wait for a slow client; past it the session ends with 4408
	Watch          int `json:"watch"`            // users whose presence a session watches
	History        int `json:"history"`          // messages in a page
	SendsPerSecond int `json:"sends_per_second"` // messages sent by the sessions of a device
	SendBurst      int `json:"send_burst"`
	OpsPerSecond   int `json:"ops_per_second"` // all operations of them; far past it the session ends with 4429
	OpsBurst       int `json:"ops_burst"`
	TypingPerMin   int `json:"typing_per_minute"`
	DedupeMillis   int `json:"dedupe_ms"`     // how long a resend of a cid is known to be the same message
	HelloMillis    int `json:"hello_ms"`      // how long a connection may wait before it says hello
	LookupPhones   int `json:"lookup_phones"` // phones in one contacts lookup

	// Of an address.
	HellosPerAddress   int `json:"hellos_per_address"`   // WebSockets that have not said hello yet
	SessionsPerAddress int `json:"sessions_per_address"` // and those that have
	StrangersPerSecond int `json:"strangers_per_second"` // HTTP requests and hellos that show no good token; twice as many at once

	// Of a user.
	SessionsPerUser int `json:"sessions_per_user"`
	RequestsAtOnce  int `json:"requests_at_once"`  // HTTP requests at work
	UploadsAtOnce   int `json:"uploads_at_once"`   // of these, uploads
	DownloadsAtOnce int `json:"downloads_at_once"` // and downloads of files

	// Of files.
	FileBytes         int `json:"file_bytes"`           // of one
	UploadBytesPerDay int `json:"upload_bytes_per_day"` // of a user, UTC
	UploadsOpen       int `json:"uploads_open"`         // of a user, that are not finished
	UploadLifeMillis  int `json:"upload_life_ms"`       // after that one that is not finished is removed
	ChecksumBytes     int `json:"checksum_bytes"`       // of a request with Upload-Checksum

	// Of the sessions of a device, or of a user over HTTP, in a second; a burst of five times that.
	MarksPerSecond   int `json:"marks_per_second"`   // ack and read
	ReadsPerSecond   int `json:"reads_per_second"`   // history, channels, receipts, search, lists
	WatchesPerSecond int `json:"watches_per_second"` // watch and unwatch
	JoinsPerMinute   int `json:"joins_per_minute"`   // join and leave, and making groups
	ActivePerMinute  int `json:"active_per_minute"`
	PingsPerMinute   int `json:"pings_per_minute"`

	// Of TCP connections, where the process listens for clients itself; set by flags of their own.
	ConnectionsPerAddress int `json:"connections_per_address,omitempty"` // of one that is no trusted proxy's
	Connections           int `json:"connections,omitempty"`             // of all together

	HeaderBytes  int `json:"header_bytes"`  // of an HTTP request
	GroupMembers int `json:"group_members"` // fixed
	Groups       int `json:"groups"`        // that a user may be in; fixed
}

// DefaultLimits are what an edge has where nothing else is said.
func DefaultLimits() Limits {
	return Limits{
		FrameBytes:     256 << 10,
		BodyBytes:      fabric.MaxBodyBytes,
		QueueBytes:     1 << 20,
		Watch:          500,
		History:        contract.MaxPage,
		SendsPerSecond: 2000,
		SendBurst:      4000,
		OpsPerSecond:   5000,
		OpsBurst:       10000,
		TypingPerMin:   120,
		HelloMillis:    10_000,
		LookupPhones:   contract.MaxLookup,

		HellosPerAddress:   2000,
		SessionsPerAddress: 20_000,
		StrangersPerSecond: 2000,
		SessionsPerUser:    64,
		RequestsAtOnce:     64,
		UploadsAtOnce:      16,
		DownloadsAtOnce:    16,
		FileBytes:          2 << 30,
		UploadBytesPerDay:  20 << 30,
		UploadsOpen:        64,
		UploadLifeMillis:   24 * 60 * 60 * 1000,
		ChecksumBytes:      64 << 20,
		MarksPerSecond:     5000,
		ReadsPerSecond:     200,
		WatchesPerSecond:   20,
		JoinsPerMinute:     120,
		ActivePerMinute:    120,
		PingsPerMinute:     600,
		HeaderBytes:        16 << 10,
		GroupMembers:       fabric.MaxGroupMembers,
		Groups:             contract.MaxGroups,
	}
}

// Set sets a limit by its name, if it is one of those that operators set.
func (l *Limits) Set(name string, n int) error {
	for _, f := range l.settable() {
		if f.name == name {
			*f.value = n
			return l.validate()
		}
	}
	return errors.New("there is no such limit to be set: /v1/limits names them")
}

type settable struct {
	name        string
	value       *int
	least, most int
}

func (l *Limits) settable() []settable {
	return []settable{
		{"frame_bytes", &l.FrameBytes, 1 << 10, 16 << 20},
		{"body_bytes", &l.BodyBytes, 1, fabric.MaxBodyBytes},
		{"queue_bytes", &l.QueueBytes, 4 * fabric.MaxBodyBytes, 64 << 20},
		{"watch", &l.Watch, 1, 10_000},
		{"history", &l.History, 1, contract.MaxPage},
		{"sends_per_second", &l.SendsPerSecond, 1, 1 << 20},
		{"send_burst", &l.SendBurst, 1, 1 << 20},
		{"ops_per_second", &l.OpsPerSecond, 1, 1 << 20},
		{"ops_burst", &l.OpsBurst, 1, 1 << 20},
		{"typing_per_minute", &l.TypingPerMin, 1, 6000},
		{"hello_ms", &l.HelloMillis, 100, 60_000},
		{"hellos_per_address", &l.HellosPerAddress, 1, 1 << 20},
		{"sessions_per_address", &l.SessionsPerAddress, 1, 1 << 24},
		{"strangers_per_second", &l.StrangersPerSecond, 1, 1 << 20},
		{"sessions_per_user", &l.SessionsPerUser, 1, 1 << 16},
		{"requests_at_once", &l.RequestsAtOnce, 1, 1 << 16},
		{"uploads_at_once", &l.UploadsAtOnce, 1, 1 << 10},
		{"downloads_at_once", &l.DownloadsAtOnce, 1, 1 << 10},
		{"file_bytes", &l.FileBytes, 1, 1 << 40},
		{"upload_bytes_per_day", &l.UploadBytesPerDay, 1, 1 << 50},
		{"uploads_open", &l.UploadsOpen, 1, 1 << 16},
		{"upload_life_ms", &l.UploadLifeMillis, 1000, 24 * 60 * 60 * 1000},
		{"checksum_bytes", &l.ChecksumBytes, 1 << 10, 1 << 30},
		{"marks_per_second", &l.MarksPerSecond, 1, 1 << 20},
		{"reads_per_second", &l.ReadsPerSecond, 1, 1 << 20},
		{"watches_per_second", &l.WatchesPerSecond, 1, 1 << 16},
		{"joins_per_minute", &l.JoinsPerMinute, 1, 1 << 16},
		{"active_per_minute", &l.ActivePerMinute, 1, 1 << 16},
		{"pings_per_minute", &l.PingsPerMinute, 1, 1 << 20},
		{"header_bytes", &l.HeaderBytes, 4 << 10, 1 << 20},
	}
}

func (l Limits) validate() error {
	for _, f := range l.settable() {
		if *f.value < f.least || *f.value > f.most {
			return fmt.Errorf("limit %s: want %d to %d, got %d", f.name, f.least, f.most, *f.value)
		}
	}
	return nil
}
