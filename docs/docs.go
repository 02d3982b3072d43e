// Package docs holds the documents of the API, for the server to serve what it was built with.
package docs

import _ "embed"

// OpenAPI describes the HTTP API, AsyncAPI the WebSocket and the NATS subjects.
var (
	//go:embed openapi.yaml
	OpenAPI []byte
	//go:embed asyncapi.yaml
	AsyncAPI []byte
)
