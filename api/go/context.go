package modserver

// #include "bridge.h"
import "C"

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Between two looks whether the client is still there; the first comes
// sooner, and each waits twice as long as the one before.
const (
	firstLook = 5 * time.Millisecond
	lookEvery = 100 * time.Millisecond
)

// requestContext is a request's context: over when the handler has returned
// or the client has left.  Nobody watches the client until somebody asks.
type requestContext struct {
	x    *exchange
	mu   sync.Mutex
	err  error
	done chan struct{} // nil until asked for
}

// There is no http.Server, but some packages look whether one recovers panics.
var server = &http.Server{}

func (*requestContext) Deadline() (time.Time, bool) { return time.Time{}, false }

func (c *requestContext) Value(key any) any {
	switch key {
	case exchangeKey{}:
		return c.x
	case http.ServerContextKey:
		return server
	case http.LocalAddrContextKey:
		return c.x.localAddr()
	}
	return nil
}

// localAddr is the net.Addr that the connection arrived at.
func (x *exchange) localAddr() any {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return nil
	}
	ip := net.ParseIP(C.GoString(C.module_server_addr(x.c.s)))
	if ip == nil {
		return &net.UnixAddr{Net: "unix"}
	}
	return &net.TCPAddr{IP: ip, Port: int(C.module_server_port(x.c.s))}
}

func (c *requestContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		} else {
			go c.watch(c.done)
		}
	}
	return c.done
}

func (c *requestContext) Err() error {
	c.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// watch ends the context when the client leaves.
func (c *requestContext) watch(done chan struct{}) {
	wait := firstLook
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-done:
			return
		case <-timer.C:
		}
		if !c.x.isConnected() {
			c.end()
			return
		}
		if wait *= 2; wait > lookEvery {
			wait = lookEvery
		}
		timer.Reset(wait)
	}
}

func (x *exchange) isConnected() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return !x.over && Servlet{x.c.s}.IsConnected()
}

func (c *requestContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = context.Canceled
		if c.done != nil {
			close(c.done)
		}
	}
}
