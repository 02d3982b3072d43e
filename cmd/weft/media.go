package main

import "github.com/weft-im/weft/node"

// mediaFlags say where files are kept, and who looks at them.
type mediaFlags struct {
	MediaS3 string `name:"media-s3" env:"WEFT_MEDIA_S3" help:"Keep files in this bucket of an S3-compatible store, https://host/bucket[/prefix][?region=]; its keys are in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or in ~/.aws/credentials. Without it they are kept on NATS." placeholder:"URL"`
	Clamd   string `env:"WEFT_CLAMD" help:"Have uploads scanned by ClamAV's daemon, which listens there: host:port, or a socket's path." placeholder:"ADDRESS"`
	Scan    bool   `env:"WEFT_SCAN" help:"Have uploads scanned by whoever answers on weft.media.scan; until then they don't become files."`
}

// media adds what the flags say to a node's configuration.
func (f mediaFlags) media(to *node.Config) {
	to.MediaS3, to.Clamd, to.Scan = f.MediaS3, f.Clamd, f.Scan
}
