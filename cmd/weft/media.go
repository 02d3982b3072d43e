package main

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/weft-im/weft/node"
)

// mediaFlags say where files are kept, and who looks at them.
type mediaFlags struct {
	MediaNATS string `name:"media-nats" env:"WEFT_MEDIA_NATS" help:"NATS servers of their own that keep files, with the fabric's accounts. Once one process has named them the others find them." placeholder:"URL,…"`
	MediaS3   string `name:"media-s3" env:"WEFT_MEDIA_S3" help:"Keep files in this bucket of an S3-compatible store, https://host/bucket[/prefix][?region=]; its keys are in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in ~/.aws/credentials. Without it they stay on NATS, where they come in." placeholder:"URL"`
	Clamd     string `env:"WEFT_CLAMD" help:"Have uploads scanned by ClamAV's daemon, which listens there: host:port, or a socket's path." placeholder:"ADDRESS"`
	Scan      bool   `env:"WEFT_SCAN" help:"Have uploads scanned by whoever answers on weft.media.scan; until then they don't become files."`
}

// media adds what the flags say to a node's configuration.
func (f mediaFlags) media(to *node.Config) {
	to.MediaNATS, to.MediaS3, to.Clamd, to.Scan = f.MediaNATS, f.MediaS3, f.Clamd, f.Scan
}

// mediaNATSCmd is the process of the NATS server for files that `weft up` starts.
type mediaNATSCmd struct{ logFlags }

// Run serves until standard input ends.
func (c *mediaNATSCmd) Run() error {
	log, err := c.logger()
	if err != nil {
		return err
	}
	return node.RunMediaNATS(os.Stdin, os.Stdout, log.With("part", "media-nats"))
}

// mediaServer returns that process's command. Its server listens beside the fabric's where it is not said where: on the
// next port, or a free one if that is too.
func (f logFlags) mediaServer(listen, natsListen string) (s node.MediaServer, err error) {
	if s.Listen = listen; listen == "" {
		host, port, err := net.SplitHostPort(natsListen)
		if err != nil {
			return s, fmt.Errorf("--nats-listen %q: want host:port", natsListen)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return s, fmt.Errorf("--nats-listen %q: the port is not a number up to 65535", natsListen)
		}
		if n > 0 && n < 65535 {
			n++
		}
		s.Listen = net.JoinHostPort(host, strconv.FormatUint(n, 10))
	}
	self, err := os.Executable()
	if err != nil {
		return s, fmt.Errorf("where this program is: %w", err)
	}
	s.Command = []string{self, "media-nats", "--log-level", f.LogLevel, "--log-format", f.LogFormat}
	return s, nil
}
