package node

import (
	"fmt"
	"net/http"

	"github.com/weft-im/weft/media/blob"
	"github.com/weft-im/weft/web"
)

// page returns the web client. Where files are in another store, the page shows what it is sent there for.
func (n *Node) page() (http.Handler, error) {
	if n.cfg.MediaS3 == "" {
		return web.Handler(), nil
	}
	origin, err := blob.S3Origin(n.cfg.MediaS3)
	if err != nil {
		return nil, fmt.Errorf("--media-s3: %w", err)
	}
	return web.Handler(origin), nil
}
