package client

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waybill-dev/waybill/middleware/internal/budget"
)

// maxServices bounds what a client remembers: whoever follows links of others
// calls as many hosts as there are.
const maxServices = 1000

// services are those that a client has called. They are safe for concurrent use.
type services struct {
	fresh  func(name string) *service
	forget func(*service)

	known  sync.Map // of name and *service
	adding sync.Mutex
	count  int
}

func (s *services) get(name string) *service {
	found, ok := s.known.Load(name)
	if !ok {
		return s.add(name)
	}
	return found.(*service)
}

func (s *services) add(name string) *service {
	s.adding.Lock()
	defer s.adding.Unlock()
	if found, ok := s.known.Load(name); ok {
		return found.(*service)
	}
	if s.count >= maxServices {
		s.evict()
	}
	made := s.fresh(name)
	s.known.Store(name, made)
	s.count++
	return made
}

// evict forgets the service that has not been called for the longest time.
func (s *services) evict() {
	var oldest *service
	s.known.Range(func(_, value any) bool {
		if candidate := value.(*service); oldest == nil || candidate.called.Load() < oldest.called.Load() {
			oldest = candidate
		}
		return true
	})
	s.known.Delete(oldest.name)
	s.count--
	s.forget(oldest)
}

// service is what a client knows of one. It is safe for concurrent use.
type service struct {
	name     string
	balancer Balancer
	budget   *budget.Budget
	called   atomic.Int64 // when it was last, in nanoseconds since 1970

	discovery Discovery
	open      func(address string) *Endpoint
	closed    func(*Endpoint)

	mu        sync.Mutex
	found     []Instance
	endpoints []*Endpoint // of found; never changed in place
}

// instances gives the endpoints that discovery finds. Those that it has found
// before are the same ones. The result is not to be changed.
func (s *service) instances(ctx context.Context) ([]*Endpoint, error) {
	s.called.Store(time.Now().UnixNano())
	found, err := s.discovery.Resolve(ctx, s.name)
	if err != nil {
		return nil, fmt.Errorf("%w: resolve %s: %w", ErrNoInstance, s.name, err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoInstance, s.name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(found, s.found) {
		s.update(found)
	}
	return s.endpoints, nil
}

// allOpen says whether there are instances, and no breaker lets a call through.
func (s *service) allOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.endpoints) > 0 && !slices.ContainsFunc(s.endpoints, func(e *Endpoint) bool { return !e.breaker.Open() })
}

func (s *service) update(found []Instance) {
	before := map[string]*Endpoint{}
	for _, e := range s.endpoints {
		before[e.address] = e
	}
	s.found, s.endpoints = slices.Clone(found), make([]*Endpoint, 0, len(found))
	now := map[string]*Endpoint{}
	for _, instance := range found {
		e := now[instance.Address]
		if e == nil {
			if e = before[instance.Address]; e == nil {
				e = s.open(instance.Address)
			}
			now[instance.Address] = e
			s.endpoints = append(s.endpoints, e)
		}
		e.weight.Store(int64(max(instance.Weight, 1)))
	}
	for address, e := range before {
		if now[address] == nil {
			s.closed(e)
		}
	}
}

// closeAll is for a service that is forgotten.
func (s *service) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.endpoints {
		s.closed(e)
	}
}
