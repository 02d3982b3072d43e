package blob

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// Each calls f for every file of which there is a first part. It reads names alone, page by page as the server gives them
// (at most 100,000 subjects each).
func (p *Parts) Each(ctx context.Context, f func(fabric.MediaID) error) error {
	for shard := range p.shards {
		for offset := 0; ; {
			page, total, err := p.subjects(ctx, shard, offset)
			if err != nil {
				return fmt.Errorf("files of shard %d: %w", shard, err)
			}
			for subject := range page {
				if id, ok := subjects.MediaOfPart(subject); ok {
					if err := f(id); err != nil {
						return err
					}
				}
			}
			if offset += len(page); len(page) == 0 || offset >= total {
				break
			}
		}
	}
	return nil
}

func (p *Parts) subjects(ctx context.Context, shard, offset int) (page map[string]uint64, total int, err error) {
	req, err := json.Marshal(struct {
		Filter string `json:"subjects_filter"`
		Offset int    `json:"offset,omitempty"`
	}{subjects.MediaFirstParts(shard), offset})
	if err != nil {
		return nil, 0, fmt.Errorf("encode request: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 6*within)
	defer cancel()
	m, err := p.nc.RequestWithContext(ctx, subjects.StreamInfo(subjects.MediaStream(shard)), req)
	if err != nil {
		return nil, 0, err
	}
	var reply struct {
		Total int `json:"total"`
		State struct {
			Subjects map[string]uint64 `json:"subjects"`
		} `json:"state"`
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &reply); err != nil {
		return nil, 0, fmt.Errorf("decode reply: %w", err)
	}
	if reply.Error != nil {
		return nil, 0, fmt.Errorf("the server says: %s", reply.Error.Description)
	}
	return reply.State.Subjects, reply.Total, nil
}
