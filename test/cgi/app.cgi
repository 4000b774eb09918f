#!/usr/bin/perl -T
# A CGI program that does what the path below it says.  Nothing but Perl itself.
use strict;
use warnings;

$| = 1;
binmode STDOUT;
my $what = $ENV{PATH_INFO} // "";
my %query = map { (split(/=/, $_, 2), "")[0, 1] } split /&/, $ENV{QUERY_STRING};

sub body {
	local $/;
	binmode STDIN;
	return <STDIN> // "";
}

# Waits for the file that says that the client has read what was sent.
sub turn {
	until (-e $query{turn}) {
		select undef, undef, undef, 0.01;
	}
}

my %do = (
	"/env" => sub {
		print "Content-Type: text/plain\n\n";
		print map { "$_=$ENV{$_}\n" } sort keys %ENV;
	},
	"/process" => sub {
		opendir my $open, "/proc/self/fd";
		my $own = fileno $open;
		my @open = sort grep { /\d/ && $_ != $own } readdir $open;
		print "Content-Type: text/plain\n\n";
		printf "arguments=%s\ndescriptors=%s\ndirectory=%s\n",
			join(" ", @ARGV), join(" ", @open), readlink "/proc/self/cwd";
	},
	"/echo" => sub {
		print "Content-Type: $ENV{CONTENT_TYPE}\r\nX-Length: $ENV{CONTENT_LENGTH}\r\n\r\n", body();
	},
	"/cookies" => sub {
		print "Content-Type: text/plain\nSet-Cookie: a=1; Path=/\nSet-Cookie: b=2\n\ncookies\n";
	},
	"/stream" => sub {
		print "Content-Type: text/plain\n\nfirst\n";
		turn();
		print "second\n";
	},
	"/status" => sub {
		print "Status: 404 Nothing Here\nContent-Type: text/plain\n\nnothing\n";
	},
	"/nph" => sub {
		print "HTTP/1.0 418 Teapot\r\nContent-Type: text/plain\r\n\r\nteapot\n";
	},
	"/redirect" => sub { print "Location: http://elsewhere.example/a?b=c\n\n" },
	"/moved" => sub { print "Status: 301\nLocation: /elsewhere\n\n" },
	"/local" => sub { print "Location: $ENV{SCRIPT_NAME}/env?from=local\nX-Dropped: 1\n\n" },
	"/nowhere" => sub { print "Location: /-no-such-path-?a\n\n" },
	"/loop" => sub { print "Location: $ENV{SCRIPT_NAME}/loop\n\n" },
	"/etag" => sub {
		if (($ENV{HTTP_IF_NONE_MATCH} // "") eq '"v1"') {
			print "Status: 304 Not Modified\nETag: \"v1\"\n\n";
		} else {
			print "Content-Type: text/plain\nETag: \"v1\"\n\ntagged\n";
		}
	},
	"/huge" => sub {
		print "Content-Type: application/octet-stream\n\n";
		print "0123456789abcdef" x 4096 for 1 .. 320;
	},
	"/deaf" => sub {
		close STDIN;
		print "Content-Type: text/plain\n\nnot heard\n";
	},
	"/length" => sub { print "Content-Type: text/plain\nContent-Length: 6\n\nlength" },
	"/empty" => sub { print "Content-Type: text/plain\n\n" },
	"/errors" => sub {
		print STDERR "one\ntwo\r\nthree";
		print "Content-Type: text/plain\n\nerrors\n";
	},
	"/die" => sub { die "no head, for a reason\n" },
	"/silent" => sub { },
	"/headless" => sub { print "no header at all\n\n" },
	"/cut" => sub { print "Content-Type: text/plain\n" },
	"/nostatus" => sub { print "Status: abc\n\n" },
	"/killed" => sub { kill "KILL", $$ },
	"/late" => sub {
		print "Content-Type: text/plain\n\nbegun";
		turn();
		kill "KILL", $$;
	},
	"/hang" => sub {
		print STDERR "hangs as $$\n";
		print "Content-Type: text/plain\n\nhangs\n";
		sleep 1 while 1;
	},
	"/detach" => sub {
		print "Content-Type: text/plain\n\ndetached\n";
		if (fork == 0) {
			close STDOUT;
			close STDIN;
			$ENV{PATH} = "/bin";
			exec "/bin/sleep", "3";
		}
	},
	"/exit" => sub {
		print "Content-Type: text/plain\n\nexits\n";
		exit 3;
	},
);

if ($do{$what}) {
	$do{$what}->();
} else {
	print "Content-Type: text/plain\n\nPATH_INFO=$what\nREQUEST_URI=$ENV{REQUEST_URI}\n";
}
