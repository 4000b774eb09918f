#!/usr/bin/perl -T
# A form with an upload, by the library that most Perl CGI programs use.
use strict;
use warnings;
use CGI;
use Digest::MD5;

my $q = CGI->new;
my $file = $q->upload("file");
my $digest = Digest::MD5->new;

print $q->header(-type => "text/plain", -charset => "UTF-8",
	-cookie => [ $q->cookie(-name => "seen", -value => "1"), $q->cookie(-name => "b", -value => "2") ]);
$digest->addfile($file) if $file;
printf "self=%s\nname=%s\nfile=%s\nmd5=%s\n", $q->url(-absolute => 1, -path => 1),
	scalar $q->param("name") // "", scalar $q->param("file") // "", $digest->hexdigest;
