// Package fabric holds the words of Weft's domain: ids, channels, messages, receipts, cursors, devices and the errors
// that every role answers with. It stands at the ground of the tree: everyone may import it, and it imports nothing of
// ours. What the words mean is told in docs/architecture.md.
package fabric
