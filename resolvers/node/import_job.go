package node

import (
	"steward/internal/authz"
	"steward/internal/domain"
	"steward/internal/relation"
)

// ImportJob is an import that runs in the background.
type ImportJob struct {
	authz.Node
	domain.Job
}

// NewImportJob returns the node of a job, which belongs to no account: it may create several.
func NewImportJob(j domain.Job) *ImportJob {
	return &ImportJob{authz.NewNode(TypeImportJob, authz.Ref{Type: relation.TypeJob, ID: string(j.ID), Holder: j.Person}), j}
}

// IsNode marks what has a global id.
func (*ImportJob) IsNode() {}

// ID returns the global id.
func (j *ImportJob) ID() string { return domain.GlobalID(TypeImportJob, j.Job.ID) }

// Problems returns every faulty line.
func (j *ImportJob) Problems() []*ImportProblem {
	out := make([]*ImportProblem, len(j.Job.Problems))
	for i, p := range j.Job.Problems {
		out[i] = &ImportProblem{p}
	}
	return out
}

// ImportProblem is one faulty line of an import file.
type ImportProblem struct{ domain.ImportProblem }

// Column returns the column's header as the file has it, nil when it is the whole line.
func (p *ImportProblem) Column() *string { return optional(p.ImportProblem.Column) }
