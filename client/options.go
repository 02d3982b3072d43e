package client

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/weft-im/weft/fabric"
)

// Options says who connects and where. URL and Tokens are needed; everything else has a default.
type Options struct {
	// URL is the server's, such as https://weft.example; a path before /v1 is kept.
	URL string
	// Tokens gives the access token of each attempt to connect: Grants renews them, StaticToken does not.
	Tokens TokenSource
	// Cursor is where to resume, as stored from the last Checkpoint or Synced; empty on a first login.
	Cursor fabric.Cursor
	// DeviceKey signs the server's nonce, where the token is bound to a key.
	DeviceKey *DeviceKey

	// Handler, where it is set, gets the events instead of the channel of Events, on the goroutine that reads: the
	// lean way, without a hop. It must not block and must not wait for a reply; SendAsync, Ack, Read and Typing are fine.
	Handler func(Event)
	// Buffer is the room in the channel of Events; 256 by default.
	Buffer int
	// Patience is how long a full channel of Events may hold up the reading; 1 s by default.
	Patience time.Duration
	// Pending bounds the calls that wait for a reply; 1,024 by default.
	Pending int
	// AckDelay is how long marks of Ack and Read may wait for more of their channel; 100 ms by default.
	AckDelay time.Duration
	// Backoff is how long to wait before connecting again; DefaultBackoff by default.
	Backoff Backoff
	// HandshakeTimeout bounds an attempt to connect, up to the answer to hello; 15 s by default.
	HandshakeTimeout time.Duration

	// HTTP does the WebSocket's handshake; http.DefaultClient by default.
	HTTP *http.Client
	// Log gets what the session lives through, at debug level; by default it goes nowhere.
	Log *slog.Logger
}

// withDefaults returns o, checked and complete, and the WebSocket's address.
func (o Options) withDefaults() (Options, string, error) {
	if o.Tokens == nil {
		return o, "", errors.New("client: Options.Tokens is needed: who connects?")
	}
	address, err := wsURL(o.URL)
	if err != nil {
		return o, "", err
	}
	setDefault(&o.Buffer, 256)
	setDefault(&o.Patience, time.Second)
	setDefault(&o.Pending, 1024)
	setDefault(&o.AckDelay, 100*time.Millisecond)
	setDefault(&o.HandshakeTimeout, 15*time.Second)
	if o.Backoff == nil {
		o.Backoff = DefaultBackoff
	}
	if o.HTTP == nil {
		o.HTTP = http.DefaultClient
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, address, nil
}

func setDefault[T int | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// wsURL returns the WebSocket's address at the server with this URL.
func wsURL(base string) (string, error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", fmt.Errorf("client: Options.URL: %w", err)
	}
	switch u.Scheme {
	case "http", "ws":
		u.Scheme = "ws"
	case "https", "wss":
		u.Scheme = "wss"
	default:
		return "", fmt.Errorf("client: Options.URL %q: want http(s)://host or ws(s)://host", base)
	}
	if u.Host == "" {
		return "", fmt.Errorf("client: Options.URL %q names no host", base)
	}
	return u.JoinPath("/v1/ws").String(), nil
}
